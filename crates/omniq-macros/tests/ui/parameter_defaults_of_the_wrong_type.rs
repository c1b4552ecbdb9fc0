#![allow(unused_variables)]

#[derive(serde::Serialize, serde::Deserialize)]
struct Size(u32);

#[omniq::task]
async fn a(#[omniq(default = "640")] width: u32) {}

#[omniq::task]
async fn b(#[omniq(default)] size: Size) {}

fn main() {}
