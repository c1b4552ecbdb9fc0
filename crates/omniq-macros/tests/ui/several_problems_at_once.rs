#![allow(unused_variables)]

use omniq::TaskContext;

#[omniq::task(timout = "30s", max_attempts = 0, unique_key = "{pth}")]
async unsafe fn resize<T>(path: &str, (width, height): (u32, u32), ctx: TaskContext) {}

fn main() {
    let _ = resize::<u8>;
}
