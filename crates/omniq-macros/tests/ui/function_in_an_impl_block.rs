#![allow(unused_variables)]

struct Images;

impl Images {
    #[omniq::task]
    async fn resize(path: String) {}
}

fn main() {}
