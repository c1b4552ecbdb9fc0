#![allow(unused_variables)]

#[omniq::task]
const fn a() {}

#[omniq::task]
unsafe fn b() {}

#[omniq::task]
extern "C" fn c() {}

#[omniq::task]
async unsafe extern "C" fn d(count: u8) {}

fn main() {}
