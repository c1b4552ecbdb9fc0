//! The raw limit: a store behind one writer thread, with nothing that makes a queue worth having: no leases, no
//! retries, no unique keys, no errors, no time limits, nobody to tell.
//!
//! | where | what |
//! | --- | --- |
//! | `raw` | the contender: sends letters to the writer |
//! | `writer` | one thread: takes what waits, one commit, answers |
//! | `store` | what the writer writes to |
//! | `file` | plain SQLite with the schema that was fastest |
//! | `map` | for `--storage memory`: a map and a queue of numbers |

mod file;
mod map;
mod raw;
mod store;
mod writer;

use std::process::ExitCode;

use crate::raw::Raw;

#[tokio::main]
async fn main() -> ExitCode {
    bench_harness::main::<Raw>().await
}
