#![allow(unused_variables)]

use std::error::Error;
use std::fmt;

type Answer = Result<u8, Box<dyn Error>>;

struct Broken;

#[omniq::task]
async fn count(path: String) -> Result<u8, Box<dyn Error>> {
    Ok(path.parse()?)
}

#[omniq::task]
fn hidden() -> Answer {
    Ok(1)
}

#[omniq::task]
fn plain() -> Result<u8, Broken> {
    Err(Broken)
}

#[derive(Debug)]
struct Local(std::rc::Rc<u8>);

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("local")
    }
}

impl Error for Local {}

#[omniq::task]
fn local() -> Result<u8, Local> {
    Err(Local(1.into()))
}

fn main() {}
