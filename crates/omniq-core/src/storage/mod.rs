//! The interface between the queue and a storage: few operations, each on a batch, each with one promise.
//!
//! A storage decides no outcomes; it stores, orders and guards. Every time is an argument and every span a
//! duration. Every storage passes the exam of `omniq-conformance`.
//!
//! **Unstable until 1.0.** This module is public so that storages can live in other crates. Until
//! OmniQ 1.0, a minor release may change it: operations may be added, and existing ones may get other
//! arguments. Programs that only use queues and workers are not affected.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

mod answers;
mod claim;
mod effects;
mod filter;
mod progress_update;
mod signal;
mod stored_task;

pub use answers::{Enqueued, Hold, Orphan, OrphanReason, Settled};
pub use claim::{ClaimFilter, ClaimRequest, Claimed, Lease, Parked};
pub use effects::Effects;
pub use filter::{PurgeRequest, TaskFilter};
pub use progress_update::ProgressUpdate;
pub use signal::{Signal, Watch};
pub use stored_task::StoredTask;

pub use crate::lease_watch::{HeldLease, LeaseWatch};
pub use crate::stats::{LaneStats, QueueStats, Stats};
pub use crate::task::KEPT_ERRORS;
use crate::{Change, NewTask, OwnerId, Result, Task, TaskId, Timestamp};

/// How many waiting tasks one claim makes due at most, so that a claim stays short after a long pause.
pub const MAX_DUE_PER_CLAIM: usize = 1_000;

/// The future that an operation of a [`Storage`] returns, boxed so that the trait is dyn-compatible.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A storage of tasks.
///
/// Dropping a future before it is ready leaves the storage consistent: a write happens completely or not at
/// all, and tasks that a dropped claim had taken are released.
///
/// Ids rise: every task, also a follow-up task, gets a larger id than all tasks of earlier calls, whichever
/// handle or process made them, as long as the earlier call had returned before the later one began.
///
/// # Errors
///
/// Operations fail with kind [`Storage`](crate::ErrorKind::Storage), if the storage can't carry them out, and with
/// kind [`Closed`](crate::ErrorKind::Closed) after [`close`](Self::close). If a write fails, the error says what is
/// known: nothing was changed, unless [`is_unknown`](crate::Error::is_unknown) holds.
pub trait Storage: Send + Sync + 'static {
    /// Adds tasks: all of them or none. Returns for each task, in order, whether it is new, or which existing
    /// task was found instead.
    fn enqueue(&self, tasks: Vec<NewTask>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Enqueued>>>;

    /// Takes due tasks under a lease: higher priority first, then earlier eta, then the order of enqueueing.
    /// No other claim gets the same tasks; their attempts and lease numbers go up by one. See
    /// [`ClaimRequest::park`] for a claim that waits.
    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Claimed>>;

    /// Extends leases by `lease_for` from now on. Returns for each lease whether it is still held.
    fn renew(&self, leases: Vec<Lease>, lease_for: Duration) -> BoxFuture<'_, Result<Vec<Hold>>>;

    /// Returns for each lease whether it is still held, without writing.
    fn held(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<Vec<Hold>>>;

    /// Stores the latest progress of each task whose lease is still held, even if the task was cancelled, and
    /// changes nothing else. Returns for each update, in order, whether its lease was held. A new claim
    /// clears the progress, and so does a change that restarts a finished task; other changes leave it.
    fn record_progress(
        &self,
        updates: Vec<ProgressUpdate>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<bool>>>;

    /// Applies changes. This is the only operation that changes a status after the claim. Each change
    /// happens atomically, together with its follow-up tasks, if status and lease still match; otherwise
    /// nothing of it happens. Changes are independent of each other and answered in order.
    fn settle(&self, changes: Vec<Change>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Settled>>>;

    /// Returns at most `limit` tasks whose owner is dead or whose lease has expired, including cancelled
    /// tasks that their owner never released. `monotonic` is a reading of one clock of this process that
    /// never jumps.
    ///
    /// A storage where this check is expensive may pace it: it may answer from a check that it made at most
    /// a quarter of a lease ago.
    fn orphans(&self, monotonic: Duration, limit: usize) -> BoxFuture<'_, Result<Vec<Orphan>>>;

    /// Records that the handler of a claimed task starts: if this process dies, the crash counts against
    /// such tasks only. `seat` is a small number that no other running task of this process has. This is
    /// cheap and best effort; a storage that does not record it reports every claimed task as started.
    fn mark_started(&self, owner: OwnerId, seat: usize, lease: Lease) {
        let _ = (owner, seat, lease);
    }

    /// Returns the tasks with these ids, in order; `None` for an unknown id.
    fn get(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<Option<Task>>>>;

    /// Returns those of the ids whose task has finished or does not exist, in order. A process that waits for
    /// many tasks asks this after each signal that names no tasks, and then reads only what is returned. The
    /// default reads all tasks; a storage that can answer without reading whole tasks should.
    fn finished_or_unknown(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        Box::pin(async move {
            let tasks = self.get(ids.clone()).await?;
            let is_finished =
                |task: &Option<Task>| task.as_ref().is_none_or(|t| t.status.is_finished());
            let finished = ids.into_iter().zip(tasks).filter(|(_, t)| is_finished(t));
            Ok(finished.map(|(id, _)| id).collect())
        })
    }

    /// Lists tasks in the order of their ids, oldest first.
    fn list_tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>>>;

    /// Returns the counts of each lane that has tasks, sorted by queue, name and format.
    fn stats(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<LaneStats>>>;

    /// Deletes finished tasks that no owner holds any more. Returns how many.
    fn purge(&self, request: PurgeRequest) -> BoxFuture<'_, Result<u64>>;

    /// Returns a stream of all changes from this call on. A listener that falls behind gets
    /// [`Signal::Unknown`], never silence. The stream ends when the storage is closed.
    ///
    /// A storage that can detect an owner's death before its leases expire sends [`Signal::OwnerExited`],
    /// when it is notified of the death or periodically: pools by themselves check for orphans only once a
    /// second.
    fn watch(&self) -> Watch;

    /// Returns the storage's own time, if it has a clock that all its processes share. The queue then uses
    /// it instead of this machine's clock as the `now` of its calls, so that machines whose clocks differ
    /// agree on etas, retention and order. `None` (the default) means: use this machine's clock.
    ///
    /// This must be cheap: it is called once per operation. A server storage estimates its server's time
    /// from the offset it measured last, and corrects the estimate gradually: later calls return no earlier
    /// times.
    fn clock(&self) -> Option<Timestamp> {
        None
    }

    /// Closes this handle: writes what callers have sent, and releases threads, files and connections. Parked
    /// claims are answered or fail, streams of signals end, and later calls fail with
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed). Closing twice is allowed. Other handles on the same
    /// data stay open.
    ///
    /// Dropping a storage has the same effect, but may block the thread that drops it. The default does nothing,
    /// which is enough for test doubles; the exam requires all of the above.
    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}
