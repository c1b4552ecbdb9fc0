#![allow(unused_variables)]

#[omniq::task(unique_key = "{pth}-{width}")]
async fn a(path: String, width: u32) {}

#[omniq::task(unique_key = "{}")]
async fn b(path: String) {}

#[omniq::task(unique_key = "{path.len()}")]
async fn c(path: String) {}

#[omniq::task(unique_key = "{path")]
async fn d(path: String) {}

#[omniq::task(unique_key = "{ctx}")]
async fn e(ctx: omniq::TaskContext) {}

#[omniq::task(unique_key = "")]
async fn f() {}

fn main() {}
