#![allow(unused_variables)]

#[omniq::task(unique_key = "{bytes}")]
async fn a(bytes: Vec<u8>) {}

fn main() {}
