//! The parts that all contenders share: the command line, the workloads, the clocks and the JSON result.
//!
//! A contender implements [`Contender`] and calls [`main`], which measures all contenders in the same way.
//!
//! | module | contents |
//! | --- | --- |
//! | `options` | the command line |
//! | `contender` | the trait that every contender implements |
//! | `preload` | the data that is in the file before the measurement starts |
//! | `enqueue`, `latency`, `process` | W1 and W2; W4; W3 and W5 |
//! | `runs` | which tasks ran, how often, and when the last one started |
//! | `line` | the result, as one line of JSON |
//! | `clock` | a monotonic clock that processes share, and the CPU time |

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
pub use process::expect_successes;
pub use run::{finish, main, workload};
pub use runs::Runs;
