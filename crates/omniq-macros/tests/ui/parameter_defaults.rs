#![allow(unused_variables)]

use omniq::TaskContext;

#[omniq::task]
async fn a(#[omniq(defualt = 640)] width: u32) {}

#[omniq::task]
async fn b(#[omniq(default = 640, default)] width: u32) {}

#[omniq::task]
async fn c(#[omniq] width: u32) {}

#[omniq::task]
async fn d(#[omniq(default)] ctx: TaskContext) {}

fn main() {}
