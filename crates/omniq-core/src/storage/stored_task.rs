//! A task with its storage's own fields, and what the operations do to it: for storages that store whole records.

use std::time::Duration;

use super::{ClaimRequest, Hold, Lease, QueueStats, Settled};
use crate::task::KEPT_ERRORS;
use crate::{Change, NewTask, Task, TaskId, TaskStatus, Timestamp};

/// A task, and the fields that only its storage uses.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StoredTask {
    /// The task.
    pub task: Task,
    /// Whether the task has become due. It then stays due, even if the clock is set back.
    pub due: bool,
    /// The renewal count of the lease.
    pub beats: u64,
    /// The length of the lease.
    pub lease_for: Duration,
}

impl StoredTask {
    /// Returns the record of a new task that is enqueued at `now`.
    pub fn new(new: NewTask, id: TaskId, now: Timestamp) -> Self {
        let task = Task::from_new(new, id, now);
        Self {
            due: task.eta <= now,
            task,
            beats: 0,
            lease_for: Duration::ZERO,
        }
    }

    /// Returns a record made of its parts.
    pub const fn from_parts(task: Task, due: bool, beats: u64, lease_for: Duration) -> Self {
        Self {
            task,
            due,
            beats,
            lease_for,
        }
    }

    /// Applies a claim.
    pub fn begin(&mut self, request: &ClaimRequest, now: Timestamp) {
        let task = &mut self.task;
        task.status = TaskStatus::Running;
        task.attempts = task.attempts.saturating_add(1);
        task.lease += 1;
        task.owner = Some(request.owner);
        task.started_at = Some(now);
        task.progress = None;
        self.beats = 0;
        self.lease_for = request.lease_for;
    }

    /// Returns whether this lease is still held.
    pub fn hold(&self, lease: Lease) -> Hold {
        let is_held = self.task.owner.is_some() && self.task.lease == lease.number;
        match self.task.status {
            TaskStatus::Running if is_held => Hold::Held,
            TaskStatus::Cancelled if is_held => Hold::Cancelled,
            _ => Hold::Lost,
        }
    }

    /// Returns whether the change restarts a finished task, so that it needs its unique key and its series again.
    pub fn restarts(&self, change: &Change) -> bool {
        self.task.status.is_finished() && change.status == TaskStatus::Pending
    }

    /// Returns the answer to a change that the task's status, lease or owner does not allow; `None` if they do.
    pub fn rejection(&self, change: &Change) -> Option<Settled> {
        let task = &self.task;
        let matches = task.status == change.expect && task.lease == change.lease;
        let has_owner = task.owner.is_some();
        let is_stale = !matches
            || (self.restarts(change) && has_owner)
            || (change.releases_cancelled() && !has_owner);
        if !is_stale {
            return None;
        }
        Some(Settled::Stale {
            status: task.status,
            lease: task.lease,
        })
    }

    /// Applies a change that was not rejected, without its follow-up tasks.
    pub fn apply(&mut self, change: &Change, now: Timestamp) {
        let restarts = self.restarts(change);
        let task = &mut self.task;
        let finishes = change.status.is_finished() && !task.status.is_finished();
        task.status = change.status;
        task.attempts = change.attempts.unwrap_or(task.attempts);
        task.crashes = change.crashes.unwrap_or(task.crashes);
        if let Some(eta) = change.eta {
            task.eta = eta.resolve(now);
            self.due = task.eta <= now;
        }
        if !change.keep_owner {
            task.owner = None;
        }
        if finishes {
            task.finished_at = Some(now);
        }
        if change.status == TaskStatus::Pending {
            task.finished_at = None;
            task.result = None;
        }
        if restarts {
            task.progress = None;
        }
        if let Some(result) = &change.result {
            task.result = Some(result.clone());
        }
        task.errors.extend(change.error.clone());
        let surplus = task.errors.len().saturating_sub(KEPT_ERRORS);
        task.errors.drain(..surplus);
    }

    /// Adds the task to the counts of its lane.
    pub fn count(&self, counts: &mut QueueStats, now: Timestamp) {
        let scheduled = !self.due && self.task.eta > now;
        counts.count(self.task.status, scheduled);
    }
}
