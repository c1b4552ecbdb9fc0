#![allow(unused_variables)]

use omniq::TaskError;

struct Picture;

#[omniq::task]
async fn load(path: String) -> Picture {
    Picture
}

#[omniq::task]
fn reload(path: String) -> Result<Vec<Picture>, TaskError> {
    Ok(Vec::new())
}

fn main() {}
