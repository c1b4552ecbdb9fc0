#![allow(unused_variables)]

#[omniq::task]
async fn resize(path: String, width: u32) {}

fn main() {
    let _ = resize::with("cat.png", 640);
    let _ = resize::with("cat.png".into());
    let _ = resize { path: "cat.png".into() };
}
