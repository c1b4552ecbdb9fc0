#![allow(unused_variables)]

#[omniq::task]
async fn store<T: serde::Serialize>(value: T) {}

#[omniq::task]
fn bytes<const N: usize>() {}

#[omniq::task]
fn borrow<'a>(text: std::borrow::Cow<'a, str>) {}

#[omniq::task]
fn copied()
where
    u8: Copy,
{
}

fn main() {}
