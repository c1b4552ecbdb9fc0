//! The raw limit: a store behind one writer thread. It shows what the hardware allows, because it has no leases,
//! retries, unique keys, errors, time limits or notifications.
//!
//! | module | contents |
//! | --- | --- |
//! | `raw` | the contender, which sends commands to the writer |
//! | `writer` | one thread that executes all waiting commands in one commit, and answers |
//! | `store` | the trait of the two stores |
//! | `file` | plain SQLite with the fastest schema that we found |
//! | `map` | a map and a queue of ids, for `--storage memory` |

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
