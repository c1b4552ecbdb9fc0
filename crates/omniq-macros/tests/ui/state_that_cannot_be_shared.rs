#![allow(unused_variables)]

use std::rc::Rc;

use omniq::State;

#[omniq::task]
fn store(cache: State<Rc<u8>>, path: String) {}

fn main() {}
