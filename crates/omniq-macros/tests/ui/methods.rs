#![allow(unused_variables)]

struct Images;

impl Images {
    #[omniq::task]
    async fn resize(&self, path: String) {}

    #[omniq::task]
    async fn open(images: Self) {}
}

trait Store {
    #[omniq::task]
    fn store(path: String);
}

fn main() {}
