//! What a storage offers: few operations, all on batches, each with one promise.
//!
//! A storage decides no outcomes. Times come in as arguments and spans as durations, so that a server's
//! own clock can take the place of `now`. Every storage sits the exam of `omniq-conformance`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_core::Stream;
use serde::{Deserialize, Serialize};

pub use crate::lease_watch::{HeldLease, LeaseWatch};
pub use crate::stats::{LaneStats, QueueStats, Stats};
pub use crate::task::KEPT_ERRORS;
use crate::{Change, Format, NewTask, OwnerId, Result, Task, TaskId, TaskStatus, Timestamp};

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

    /// The only operation that changes a status after the claim. Each change happens as a whole, with its
    /// follow-up tasks, if status and lease still match; else not at all. Changes are independent of each
    /// other, and answered in order.
    fn settle(&self, changes: Vec<Change>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Settled>>>;

    /// Tasks whose owner is gone or whose lease is over, at most `limit`; among them cancelled ones that
    /// an owner never let go of. `steady` is a reading of one clock of this process that never jumps.
    fn orphans(&self, steady: Duration, limit: usize) -> BoxFuture<'_, Result<Vec<Orphan>>>;

    /// The tasks of these ids, in order; `None` for an unknown one.
    fn get(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<Option<Task>>>>;

    /// Tasks by id, from the oldest.
    fn list_tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>>>;

    /// The numbers of each lane that has tasks, sorted by queue, name and format.
    fn stats(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<LaneStats>>>;

    /// Forgets finished tasks that nobody holds any more; says how many.
    fn purge(&self, request: PurgeRequest) -> BoxFuture<'_, Result<u64>>;

    /// A stream of what happens from this call on. A listener that falls behind gets
    /// [`Signal::Unknown`], never silence.
    fn watch(&self) -> Watch;
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Enqueued {
    /// It is a new task.
    New(TaskId),
    /// This unfinished task holds its unique key.
    Existing(TaskId),
}

impl Enqueued {
    /// The task, whichever way it came to be.
    pub const fn id(self) -> TaskId {
        match self {
            Self::New(id) | Self::Existing(id) => id,
        }
    }
}

/// Which tasks a claim may take. `None` leaves the choice open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ClaimFilter {
    /// From these queues only.
    pub queues: Option<Vec<String>>,
    /// Of these names only.
    pub names: Option<Vec<String>>,
    /// In these formats only.
    pub formats: Option<Vec<Format>>,
}

impl ClaimFilter {
    /// Every task.
    pub fn any() -> Self {
        Self::default()
    }

    /// From these queues only.
    #[must_use]
    pub fn queues<S: Into<String>>(mut self, queues: impl IntoIterator<Item = S>) -> Self {
        self.queues = Some(queues.into_iter().map(Into::into).collect());
        self
    }

    /// Of these names only.
    #[must_use]
    pub fn names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// In these formats only.
    #[must_use]
    pub fn formats(mut self, formats: impl IntoIterator<Item = Format>) -> Self {
        self.formats = Some(formats.into_iter().collect());
        self
    }

    /// Whether tasks of this lane may be taken.
    pub fn takes(&self, queue: &str, name: &str, format: Format) -> bool {
        let open = |choice: &Option<Vec<String>>, text: &str| {
            choice
                .as_ref()
                .is_none_or(|texts| texts.iter().any(|t| t == text))
        };
        open(&self.queues, queue)
            && open(&self.names, name)
            && self
                .formats
                .as_ref()
                .is_none_or(|formats| formats.contains(&format))
    }
}

/// A wish for due tasks.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClaimRequest {
    /// Who takes them.
    pub owner: OwnerId,
    /// Which ones.
    pub filter: Arc<ClaimFilter>,
    /// At most so many.
    pub limit: usize,
    /// What is due by now.
    pub now: Timestamp,
    /// How long the lease is unless it is renewed.
    pub lease_for: Duration,
    /// See [`ClaimRequest::park`].
    pub park: Option<Parked>,
}

/// What a parked claim knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parked {
    /// When the next task is due, as far as the caller knows.
    pub next_due: Option<Timestamp>,
}

impl ClaimRequest {
    /// A claim of one task that answers at once.
    pub fn new(
        owner: OwnerId,
        filter: impl Into<Arc<ClaimFilter>>,
        now: Timestamp,
        lease_for: Duration,
    ) -> Self {
        Self {
            owner,
            filter: filter.into(),
            limit: 1,
            now,
            lease_for,
            park: None,
        }
    }

    /// At most so many tasks.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Waits while there is nothing to take: it is tried again whenever work is added, with the time of
    /// that write as its now, and answers once it has tasks, or once it learns of a task that becomes due
    /// sooner than `next_due` (`None`: at all). The caller keeps the timer for `next_due`.
    #[must_use]
    pub fn park(mut self, next_due: Option<Timestamp>) -> Self {
        self.park = Some(Parked { next_due });
        self
    }
}

impl Parked {
    /// Whether a task that is due at `found` is news to the caller.
    pub fn is_news(&self, found: Option<Timestamp>) -> bool {
        match (found, self.next_due) {
            (Some(found), Some(known)) => found < known,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// What a claim got.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(clippy::exhaustive_structs)]
pub struct Claimed {
    /// The tasks as they are now: running, with their new lease.
    pub tasks: Vec<Task>,
    /// If fewer than wished: when the next task that the filter takes is due.
    pub next_due: Option<Timestamp>,
}

/// A claim's fence: every later write carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(clippy::exhaustive_structs)]
pub struct Lease {
    /// The task.
    pub id: TaskId,
    /// The number of the claim.
    pub number: u64,
}

impl Task {
    /// The lease of its last claim.
    pub const fn lease(&self) -> Lease {
        Lease {
            id: self.id,
            number: self.lease,
        }
    }
}

/// Whether a lease is still held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hold {
    /// Yes, and the task is to run on.
    Held,
    /// Yes, but the task was cancelled: stop, and let go.
    Cancelled,
    /// No: it was settled, taken over or purged.
    Lost,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// It happened.
    Done,
    /// The task is at another status or lease, or is still held by the owner that ran it.
    Moved {
        /// The status it has.
        status: TaskStatus,
        /// The lease it has.
        lease: u64,
    },
    /// Another task holds the unique key, or is the live member of the series.
    Conflict {
        /// That task.
        holder: TaskId,
    },
    /// There is no such task.
    Gone,
}

/// A task that nobody looks after.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct Orphan {
    /// The task, still `Running` or, where it was cancelled, still owned.
    pub task: Task,
    /// How it is known.
    pub reason: OrphanReason,
    /// Whether its handler had been started, or may have been.
    pub started: bool,
}

/// How a storage knows that nobody looks after a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OrphanReason {
    /// The lease was not renewed for its full length.
    LeaseOver,
    /// The owner's process is gone.
    OwnerGone,
}

impl fmt::Display for OrphanReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeaseOver => "the lease was over",
            Self::OwnerGone => "the owner's process was gone",
        })
    }
}

/// Which tasks to list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskFilter {
    /// Of this queue only.
    pub queue: Option<String>,
    /// Of this name only.
    pub name: Option<String>,
    /// With this status only.
    pub status: Option<TaskStatus>,
    /// With a larger id than this one: the last of the page before.
    pub after: Option<TaskId>,
    /// At most so many.
    pub limit: u32,
}

impl Default for TaskFilter {
    fn default() -> Self {
        Self {
            queue: None,
            name: None,
            status: None,
            after: None,
            limit: 100,
        }
    }
}

impl TaskFilter {
    /// The first 100 tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of this queue only.
    #[must_use]
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// Of this name only.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// With this status only.
    #[must_use]
    pub fn status(mut self, status: TaskStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// The page after this task.
    #[must_use]
    pub fn after(mut self, id: TaskId) -> Self {
        self.after = Some(id);
        self
    }

    /// At most so many tasks.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }
}

/// Which finished tasks to forget.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurgeRequest {
    /// With one of these statuses.
    pub statuses: Vec<TaskStatus>,
    /// Finished at least so long ago.
    pub older_than: Duration,
    /// The time from which that is counted.
    pub now: Timestamp,
    /// At most so many, the oldest first.
    pub limit: usize,
}

impl PurgeRequest {
    /// Tasks that ended with one of these statuses at least `older_than` before `now`.
    pub fn new(
        statuses: impl IntoIterator<Item = TaskStatus>,
        older_than: Duration,
        now: Timestamp,
    ) -> Self {
        Self {
            statuses: statuses.into_iter().collect(),
            older_than,
            now,
            limit: 500,
        }
    }

    /// At most so many tasks.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Whether a task goes.
    pub fn takes(&self, task: &Task) -> bool {
        let old = |finished: Timestamp| finished <= self.now.before(self.older_than);
        self.statuses.contains(&task.status)
            && !task.holds_its_key()
            && task.finished_at.is_some_and(old)
    }
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
    /// Something may have happened: look.
    Unknown,
}
