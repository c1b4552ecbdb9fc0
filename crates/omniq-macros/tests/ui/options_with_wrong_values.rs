#![allow(unused_variables)]

#[omniq::task(name = "", queue = " ")]
async fn a() {}

#[omniq::task(queue = 5)]
async fn b() {}

#[omniq::task(priority = "high")]
async fn c() {}

#[omniq::task(max_attempts = 0)]
async fn d() {}

#[omniq::task(max_attempts = -1)]
async fn e() {}

#[omniq::task(order = "Resize")]
async fn f() {}

#[omniq::task(crate = "not a path")]
async fn g() {}

fn main() {}
