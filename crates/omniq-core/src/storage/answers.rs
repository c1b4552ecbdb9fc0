//! What the writes answer.

use std::fmt;

use crate::{Task, TaskId, TaskStatus};

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
    Applied,
    /// The task is at another status or lease, or is still held by the owner that ran it.
    Stale {
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
    NotFound,
}

impl Settled {
    /// Whether the change was refused because the execution under this lease has succeeded already: a success
    /// is final, and only the holder of the lease writes it, here or in a transaction of the user's own.
    pub const fn is_success_under(self, lease: u64) -> bool {
        matches!(
            self,
            Self::Stale { status: TaskStatus::Success, lease: found } if found == lease
        )
    }

    /// Whether the change was refused because the task was cancelled under this lease: it stays with the lease's
    /// holder, and only that one can let go of it.
    pub const fn is_cancelled_under(self, lease: u64) -> bool {
        matches!(
            self,
            Self::Stale { status: TaskStatus::Cancelled, lease: found } if found == lease
        )
    }
}

/// A task that nobody looks after.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Orphan {
    /// The task, still `Running` or, where it was cancelled, still owned.
    pub task: Task,
    /// How it is known.
    pub reason: OrphanReason,
    /// Whether its handler had been started, or may have been.
    pub started: bool,
}

impl Orphan {
    /// A task that nobody looks after, for this reason.
    pub const fn new(task: Task, reason: OrphanReason, started: bool) -> Self {
        Self {
            task,
            reason,
            started,
        }
    }
}

/// How a storage knows that nobody looks after a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OrphanReason {
    /// The lease was not renewed for its full length.
    LeaseExpired,
    /// The owner's process is gone.
    OwnerDead,
}

impl fmt::Display for OrphanReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeaseExpired => "the lease had expired",
            Self::OwnerDead => "the owner's process was dead",
        })
    }
}
