#![allow(unused_variables)]

#[omniq::task]
async fn text() -> &'static str {
    "text"
}

#[omniq::task]
fn some() -> impl serde::Serialize {
    1
}

#[omniq::task]
async fn forever() -> ! {
    loop {}
}

fn main() {}
