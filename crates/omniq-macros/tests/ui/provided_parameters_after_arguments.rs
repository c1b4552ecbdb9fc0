#![allow(unused_variables)]

use omniq::{State, TaskContext};

struct Database;

#[omniq::task]
async fn store(path: String, ctx: TaskContext, database: State<Database>) {}

fn main() {}
