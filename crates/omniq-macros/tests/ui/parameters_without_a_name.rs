#![allow(unused_variables)]

#[omniq::task]
async fn apart((width, height): (u32, u32)) {}

#[omniq::task]
async fn unused(_: u32) {}

#[omniq::task]
async fn any(value: impl serde::Serialize) {}

#[omniq::task]
async fn sometimes(#[cfg(unix)] path: String) {}

fn main() {}
