#![allow(unused_variables)]

#[omniq::task(timout = "30s")]
async fn a() {}

#[omniq::task(max_retries = 3)]
async fn b() {}

#[omniq::task(delay = "3s")]
async fn c() {}

#[omniq::task(colour = "red")]
async fn d() {}

#[omniq::task("images")]
async fn e() {}

#[omniq::task(queue("images"))]
async fn f() {}

#[omniq::task(queue = "images", queue = "films")]
async fn g() {}

#[omniq::task(max_attempts)]
async fn h() {}

#[omniq::task(timeout = )]
async fn i() {}

#[omniq::task(timeout: "3s")]
async fn j() {}

fn main() {}
