#![allow(unused_variables)]

use std::rc::Rc;

#[omniq::task]
async fn resize(width: u32) -> u32 {
    let shared = Rc::new(width);
    std::future::ready(()).await;
    *shared
}

fn main() {}
