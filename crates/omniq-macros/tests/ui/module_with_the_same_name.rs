mod resize {}

#[omniq::task]
async fn resize() {}

fn main() {}
