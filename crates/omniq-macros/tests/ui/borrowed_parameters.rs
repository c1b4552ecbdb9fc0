#![allow(unused_variables)]

use std::borrow::Cow;
use std::path::Path;

use omniq::TaskContext;

struct Frame<'a>(Cow<'a, str>);

#[omniq::task]
async fn text(path: &str) {}

#[omniq::task]
fn file(path: &'static Path, bytes: &[u8]) {}

#[omniq::task]
fn many(paths: Vec<&str>) {}

#[omniq::task]
fn hidden(frame: Frame<'_>) {}

#[omniq::task]
async fn context(ctx: &TaskContext) {}

#[omniq::task]
async fn change(count: &mut u32) {}

fn main() {}
