#![allow(unused_variables)]

const LIMIT: u64 = 30;

#[omniq::task(timeout = LIMIT)]
async fn a() {}

#[omniq::task(interval = omniq::Backoff::default())]
async fn b() {}

#[omniq::task(backoff = std::time::Duration::from_secs(1))]
async fn c() {}

fn main() {}
