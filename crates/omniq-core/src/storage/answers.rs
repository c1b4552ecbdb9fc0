//! The answers of write operations.

use std::fmt;

use crate::{Task, TaskId, TaskStatus};

/// The answer to one enqueued task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Enqueued {
    /// The task is new.
    New(TaskId),
    /// The task was not added, because this one holds its unique key, or is the unfinished member of its series.
    Existing(TaskId),
}

impl Enqueued {
    /// Returns the id of the task, whether new or existing.
    pub const fn id(self) -> TaskId {
        match self {
            Self::New(id) | Self::Existing(id) => id,
        }
    }
}

/// Whether a lease is still held, and what its holder should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hold {
    /// The lease is held: continue.
    Held,
    /// The lease is held, but the task was cancelled: stop, and release the task.
    Cancelled,
    /// The lease is not held any more: the task was settled, taken over or purged.
    Lost,
}

/// The answer to one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// The change was applied.
    Applied,
    /// The change was rejected: the task has another status or lease, or the owner that ran it still holds it.
    Stale {
        /// The status that the task has.
        status: TaskStatus,
        /// The lease number that the task has.
        lease: u64,
    },
    /// The change was rejected: another task holds the unique key, or is the unfinished member of the series.
    Conflict {
        /// That task.
        holder: TaskId,
    },
    /// The task does not exist.
    NotFound,
}

impl Settled {
    /// Returns whether the change was rejected because the execution under this lease has already succeeded. A
    /// success is final, and only the holder of the lease writes it, here or in a transaction of the application.
    pub const fn is_success_under(self, lease: u64) -> bool {
        matches!(
            self,
            Self::Stale { status: TaskStatus::Success, lease: found } if found == lease
        )
    }

    /// Returns whether the change was rejected because the task was cancelled under this lease. The holder of the
    /// lease keeps the task until it releases it.
    pub const fn is_cancelled_under(self, lease: u64) -> bool {
        matches!(
            self,
            Self::Stale { status: TaskStatus::Cancelled, lease: found } if found == lease
        )
    }
}

/// A task whose owner is dead or whose lease has expired.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Orphan {
    /// The task: `Running`, or `Cancelled` and not released by its owner.
    pub task: Task,
    /// Why it is an orphan.
    pub reason: OrphanReason,
    /// Whether its handler was started, or may have been.
    pub started: bool,
}

impl Orphan {
    /// Returns an orphan with these fields.
    pub const fn new(task: Task, reason: OrphanReason, started: bool) -> Self {
        Self {
            task,
            reason,
            started,
        }
    }
}

/// Why a task is an orphan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OrphanReason {
    /// The lease was not renewed for its full length.
    LeaseExpired,
    /// The owner's process is dead.
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
