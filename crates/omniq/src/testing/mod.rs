//! Helpers for the tests of programs that use OmniQ.
//!
//! | you want to | use |
//! | --- | --- |
//! | get a queue in memory and its clock in one line | [`memory`] |
//! | let days pass in a moment, or set the clock | [`ManualClock`] |
//! | run all due tasks | [`drain`], or [`until_idle`] beside a running pool |
//! | check what was enqueued | [`assert_enqueued`], [`assert_not_enqueued`] |
//! | call a function that takes a [`TaskContext`](crate::TaskContext) | [`context`] |
//!
//! ```
//! use std::time::Duration;
//!
//! use omniq::{TaskContext, TaskError, testing};
//!
//! #[omniq::task(max_attempts = 2, backoff = "1h")]
//! async fn sign_up(ctx: TaskContext, user: String) -> Result<(), TaskError> {
//!     if ctx.attempt() == 1 {
//!         return Err(TaskError::retryable("the mail server is busy"));
//!     }
//!     ctx.then(remind::with(user).delay(Duration::from_secs(3 * 86_400)))?;
//!     Ok(())
//! }
//!
//! #[omniq::task]
//! async fn remind(user: String) {}
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> omniq::Result<()> {
//! let (omniq, clock) = testing::memory().await?;
//! let limit = Duration::from_secs(10);
//! let worker = || omniq.worker().task::<sign_up>().task::<remind>();
//!
//! omniq.enqueue(sign_up::with("ada".into())).await?;
//! let first = testing::drain(worker(), limit).await?;
//! assert_eq!(first.total_finished, 1);
//! testing::assert_not_enqueued(&omniq, remind::with("ada".into())).await;
//!
//! clock.advance(Duration::from_secs(2 * 3600));
//! testing::drain(worker(), limit).await?;
//! let reminder = testing::assert_enqueued(&omniq, remind::with("ada".into())).await;
//! assert_eq!(reminder.eta, clock.now().after(Duration::from_secs(3 * 86_400)));
//! # Ok(()) }
//! ```

mod assertions;
mod execution;
mod idle;
mod manual_clock;

pub use assertions::{assert_enqueued, assert_not_enqueued};
pub use execution::{cancel, context};
pub use idle::{drain, until_idle};
pub use manual_clock::ManualClock;

/// Returns a queue in memory with the default settings, and the clock that its tasks follow.
#[cfg(feature = "memory")]
pub async fn memory() -> crate::Result<(crate::AsyncOmniQ, ManualClock)> {
    let clock = ManualClock::new();
    let storage = std::sync::Arc::new(crate::MemoryStorage::new());
    let omniq = clock.open(storage, crate::Settings::default()).await?;
    Ok((omniq, clock))
}
