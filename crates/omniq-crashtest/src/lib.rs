//! Runs real processes on one database, kills some of them, and checks the guarantees afterwards.
//!
//! | module | contents |
//! | --- | --- |
//! | [`Options`] | the options of a process, passed on its command line |
//! | [`worker`], [`producer`] | the processes |
//! | [`shop_app`] | an application that enqueues and completes tasks in its own transactions |
//! | [`Log`] | a log file outside the queue, written by handlers and producers |
//! | [`Harness`], [`Process`] | starts processes, reads their output, sends them signals |
//! | [`judge`] | compares the log with the database, and names every rule that does not hold |
//! | [`kills`] | the run with random kills |
//! | [`linearize`] | checks that the operations of eight processes are linearizable |
//! | [`powercut`] | records what processes write, and opens what a power cut could leave |
//! | [`figures`] | measures latencies and costs between processes |
//!
//! Each line of the log is one `write`, so the log is also correct for processes that were killed. A new kind of
//! task is a handler in `worker`; a new rule is a function in `judge`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![allow(clippy::print_stdout)]

mod driver;
pub mod figures;
mod harness;
mod harness_result;
pub mod judge;
pub mod kills;
#[cfg(unix)]
pub mod linearize;
mod log;
mod options;
#[cfg(target_os = "linux")]
pub mod powercut;
mod process;
pub mod producer;
pub mod shop_app;
pub mod worker;

pub use driver::Driver;
pub use harness::{Harness, ProcessEvent};
pub use harness_result::HarnessResult;
pub use log::{Line, Log, Mark, now_micros};
pub use options::Options;
pub use process::{Death, Process};
