//! What a storage offers: few operations, all on batches, each with one promise.
//!
//! A storage decides no outcomes. Times come in as arguments and spans as durations, so that a server's
//! own clock can take the place of `now`. Every storage sits the exam of `omniq-conformance`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;

mod answer;
mod claim;
mod look;
mod note;
mod row;

pub use answer::{Enqueued, Hold, Orphan, OrphanReason, Settled};
pub use claim::{ClaimFilter, ClaimRequest, Claimed, Lease, Parked};
pub use look::{PurgeRequest, TaskFilter};
pub use note::Note;
pub use row::Row;

pub use crate::lease_watch::{HeldLease, LeaseWatch};
pub use crate::stats::{LaneStats, QueueStats, Stats};
pub use crate::task::KEPT_ERRORS;
use crate::{Change, NewTask, OwnerId, Result, Task, TaskId, Timestamp};

/// A future behind the door of a storage.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a storage calls out, here and from other processes.
pub type Watch = Pin<Box<dyn Stream<Item = Signal> + Send>>;

/// Where tasks are kept.
///
/// Dropping a future before it is ready leaves the storage whole: a write happens or does not, and what a
/// claim had got is released.
pub trait Storage: Send + Sync + 'static {
    /// Adds tasks: all or none. Says for each, in order, whether it is new or exists already, because
    /// another holds its unique key.
    fn enqueue(&self, tasks: Vec<NewTask>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Enqueued>>>;

    /// Takes due tasks under a lease: priority first, then eta, then the order of enqueueing. Nobody else
    /// gets the same ones; attempts and lease go up by one. See [`ClaimRequest::park`] for one that waits.
    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Claimed>>;

    /// Prolongs leases by `lease_for` from now on; says of each whether it is still held.
    fn renew(&self, leases: Vec<Lease>, lease_for: Duration) -> BoxFuture<'_, Result<Vec<Hold>>>;

    /// Says of each lease whether it is still held, without writing.
    fn held(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<Vec<Hold>>>;

    /// Keeps the latest progress of each task whose lease is still held, be it cancelled or not, and changes
    /// nothing else; says of each note, in order, whether its lease was. A new claim forgets the progress,
    /// and so does a change that begins a finished task again; any other change keeps it.
    fn note(&self, notes: Vec<Note>, now: Timestamp) -> BoxFuture<'_, Result<Vec<bool>>>;

    /// The only operation that changes a status after the claim. Each change happens as a whole, with its
    /// follow-up tasks, if status and lease still match; else not at all. Changes are independent of each
    /// other, and answered in order.
    fn settle(&self, changes: Vec<Change>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Settled>>>;

    /// Tasks whose owner is gone or whose lease is over, at most `limit`; among them cancelled ones that
    /// an owner never let go of. `steady` is a reading of one clock of this process that never jumps.
    fn orphans(&self, steady: Duration, limit: usize) -> BoxFuture<'_, Result<Vec<Orphan>>>;

    /// Notes that a claimed task's handler starts: should this process die, a crash counts against such
    /// tasks only. `seat` is a small number that no other running task of this process has. Cheap, and
    /// never more than an effort; a storage that does not note it calls every claimed task started.
    fn started(&self, owner: OwnerId, seat: usize, lease: Lease) {
        let _ = (owner, seat, lease);
    }

    /// The tasks of these ids, in order; `None` for an unknown one.
    fn get(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<Option<Task>>>>;

    /// Those of these ids whose tasks have finished, and those that no task has, in order: whoever waits
    /// for many asks this at each signal that does not name tasks, and reads only these. A storage that can
    /// tell without reading whole tasks should.
    fn finished(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        Box::pin(async move {
            let tasks = self.get(ids.clone()).await?;
            let is_over =
                |task: &Option<Task>| task.as_ref().is_none_or(|t| t.status.is_finished());
            let over = ids.into_iter().zip(tasks).filter(|(_, t)| is_over(t));
            Ok(over.map(|(id, _)| id).collect())
        })
    }

    /// Tasks by id, from the oldest.
    fn list_tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>>>;

    /// The numbers of each lane that has tasks, sorted by queue, name and format.
    fn stats(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<LaneStats>>>;

    /// Forgets finished tasks that nobody holds any more; says how many.
    fn purge(&self, request: PurgeRequest) -> BoxFuture<'_, Result<u64>>;

    /// A stream of what happens from this call on. A listener that falls behind gets
    /// [`Signal::Unknown`], never silence.
    ///
    /// A storage that can see that an owner is gone before its leases are over calls out
    /// [`Signal::OwnerLeft`], when it hears of it or now and then: pools look for orphans only once a
    /// second by themselves.
    fn watch(&self) -> Watch;
}

/// What a storage calls out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// There is work, or an eta, that was not there before.
    Enqueued,
    /// These tasks ended, or were let go of.
    Finished(Arc<[TaskId]>),
    /// These tasks were cancelled.
    Cancelled(Arc<[TaskId]>),
    /// An owner may be gone: look for orphans. A storage that hears of it too soon to see it says it again.
    OwnerLeft,
    /// Something may have happened: look.
    Unknown,
}
