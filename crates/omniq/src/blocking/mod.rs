//! OmniQ without async: [`OmniQ`] and what it gives out. The same methods and types as around
//! [`AsyncOmniQ`](crate::AsyncOmniQ), each of which returns when it is done.
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
//! On every thread that may block: ordinary ones, those of `tokio::task::spawn_blocking`, and a blocking
//! handler's, in whatever pool. On a thread that polls tokio's async tasks each call is an error of kind
//! [`InsideRuntime`](crate::ErrorKind::InsideRuntime), for it would hold up the others: use
//! [`AsyncOmniQ`](crate::AsyncOmniQ) there. (Within [`tokio::task::unconstrained`] it can't be told, and the
//! call blocks.)
//!
//! # What runs beside it
//!
//! All of a process share one tokio runtime, on threads of its own. It starts with the first [`OmniQ`] and
//! ends when the last one, and the last handle, pool, builder and event stream of one, is dropped; a dropped
//! pool gives back its tasks before that. The handlers of a [`WorkerPool`] run there, async or blocking.
//!
//! | file | job |
//! | --- | --- |
//! | `client`, `handle`, `worker`, `events` | the twins of the async types |
//! | `runtime` | the one runtime, and a call that waits |
//! | `inside` | whether this thread may wait |
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
