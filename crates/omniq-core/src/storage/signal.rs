//! The change notifications of a storage.

use std::pin::Pin;
use std::sync::Arc;

use futures_core::Stream;

use crate::TaskId;

/// The change notifications of a storage, whichever process caused them.
pub type Watch = Pin<Box<dyn Stream<Item = Signal> + Send>>;

/// A change notification of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// There is new work, or a new eta.
    Enqueued,
    /// These tasks finished, or were released by the owner that held them after a cancellation.
    Finished(Arc<[TaskId]>),
    /// Some tasks finished; which ones is not known. Waiters query their own tasks; nobody else has to.
    SomeFinished,
    /// These tasks were cancelled.
    Cancelled(Arc<[TaskId]>),
    /// An owner may be dead: check for orphans. A storage that is notified too early to detect the death
    /// sends this again.
    OwnerExited,
    /// Anything may have happened: query everything that matters.
    Unknown,
}
