#![allow(unused_variables)]

#[omniq::task(timeout = "30")]
async fn a() {}

#[omniq::task(timeout = 30)]
async fn b() {}

#[omniq::task(timeout = 30s)]
async fn c() {}

#[omniq::task(timeout = "soon")]
async fn d() {}

#[omniq::task(interval = "0s")]
async fn e() {}

#[omniq::task(timeout = "5M")]
async fn f() {}

#[omniq::task(backoff = 10)]
async fn g() {}

#[omniq::task(backoff = "60s..1s")]
async fn h() {}

#[omniq::task(backoff = "1s..")]
async fn i() {}

#[omniq::task(backoff = "0s")]
async fn j() {}

fn main() {}
