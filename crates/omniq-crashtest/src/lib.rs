//! Real processes on one database, some of them killed, and what must hold afterwards.
//!
//! | where | what |
//! | --- | --- |
//! | [`Options`] | what a process is told on its command line |
//! | [`worker`], [`producer`] | the processes |
//! | [`till`] | processes that book in the transactions in which they enqueue and complete |
//! | [`Log`] | what executions and producers note, outside the queue |
//! | [`Scene`], [`Process`] | starts processes, hears them, signals them |
//! | [`judge`] | the log beside the database: every rule that does not hold has a name |
//! | [`kills`] | the run with random kills |
//! | [`figures`] | how long things take |
//!
//! Each line of the log is one `write`, so that the log tells the truth also about processes that were
//! killed. A new kind of task is a handler in `worker`; a new rule is a function in `judge`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![allow(clippy::print_stdout)]

pub mod figures;
pub mod judge;
pub mod kills;
mod log;
mod options;
mod process;
pub mod producer;
mod scene;
pub mod till;
pub mod worker;

pub use log::{Line, Log, Mark, stamp};
pub use options::Options;
pub use process::{Death, Process};
pub use scene::{Heard, Scene};

/// What can go wrong in the harness itself.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
