//! OmniQ without async: [`OmniQ`], its handles, pools and events.
//!
//! The types and methods are those of [`AsyncOmniQ`](crate::AsyncOmniQ), and each call blocks until it is done.
//!
//! ```
//! use std::time::Duration;
//!
//! use omniq::OmniQ;
//!
//! #[omniq::task]
//! fn double(number: i64) -> i64 {
//!     number * 2
//! }
//!
//! fn main() -> omniq::Result<()> {
//!     let omniq = OmniQ::connect("memory:")?;
//!     let pool = omniq.worker().concurrency(8).task::<double>().start()?;
//!
//!     let handle = omniq.enqueue(double::with(21))?;
//!     assert_eq!(handle.wait(Duration::from_secs(30))?, 42);
//!
//!     pool.stop()?;
//!     Ok(())
//! }
//! ```
//!
//! # Where it works
//!
//! It works on every thread that may block: ordinary threads, those of `tokio::task::spawn_blocking`, and the threads of
//! blocking handlers in any pool. On a thread that polls tokio's async tasks, each call fails with kind
//! [`InsideRuntime`](crate::ErrorKind::InsideRuntime), because it would hold up the other tasks: use
//! [`AsyncOmniQ`](crate::AsyncOmniQ) there. (Inside [`tokio::task::unconstrained`] this can't be detected, and the call
//! blocks.)
//!
//! # Threads
//!
//! All blocking queues of a process share one tokio runtime with threads of its own, which run the handlers of each
//! [`WorkerPool`], async or blocking. The runtime starts with the first [`OmniQ`]. It ends when the last [`OmniQ`], handle,
//! pool, builder and event stream is dropped, and dropped pools have released their tasks.
//!
//! | file | job |
//! | --- | --- |
//! | `client`, `handle`, `worker`, `events` | twins of the async types |
//! | `runtime` | holds the shared runtime, and runs each call |
//! | `inside` | checks whether this thread may block |
//! | `park` | waits for a future |

mod client;
mod events;
mod handle;
mod inside;
mod park;
mod runtime;
mod worker;

pub use client::OmniQ;
pub use events::EventStream;
pub use handle::TaskHandle;
pub use worker::{WorkerBuilder, WorkerPool};
