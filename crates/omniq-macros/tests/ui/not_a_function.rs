#![allow(unused_variables)]

#[omniq::task]
struct Resize {
    path: String,
}

#[omniq::task]
const RESIZE: u8 = 1;

#[omniq::task]
mod images {}

fn main() {}
