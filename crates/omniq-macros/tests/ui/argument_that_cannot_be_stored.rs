#![allow(unused_variables)]

struct Picture;

#[derive(serde::Serialize)]
struct Frame {
    width: u32,
}

#[omniq::task]
async fn resize(width: u32, picture: Picture) {}

#[omniq::task]
fn hang(frames: Vec<Frame>) {}

fn main() {}
