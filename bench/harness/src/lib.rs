//! What every contender shares: the command line, the workloads, the clock and the line of JSON at the end.
//!
//! A contender implements [`Contender`] and calls [`main`]; what is done to it is the same for all.
//!
//! | where | what |
//! | --- | --- |
//! | `options` | the command line |
//! | `contender` | what a contender has to be able to do |
//! | `preload` | what is in the file before the clock starts |
//! | `enqueue`, `latency`, `process` | W1 and W2; W4; W3 and W5 |
//! | `runs` | which tasks ran, how often, and when |
//! | `line` | the result |
//! | `clock` | time that processes share, and CPU time |

pub mod clock;
mod contender;
mod enqueue;
mod latency;
mod line;
mod options;
pub mod preload;
mod process;
mod run;
mod runs;

pub use contender::{
    Arguments, Contender, Error, Job, Result, only_default_conditions, poll_until,
};
pub use latency::{idle_moment, w4};
pub use line::{Line, Outcome, quantile_us};
pub use options::{Level, Options, StorageKind, Workload};
pub use process::done;
pub use run::{finish, main, workload};
pub use runs::Runs;
