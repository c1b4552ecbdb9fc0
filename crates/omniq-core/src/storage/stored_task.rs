//! A task with what only its storage knows, and how the operations change it: for storages that keep whole
//! records.

use std::time::Duration;

use super::{ClaimRequest, Hold, Lease, QueueStats, Settled};
use crate::task::KEPT_ERRORS;
use crate::{Change, NewTask, Task, TaskId, TaskStatus, Timestamp};

/// A task, and what only the storage knows of it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StoredTask {
    /// The task.
    pub task: Task,
    /// A task once due stays due, wherever the clock goes.
    pub due: bool,
    /// How often the lease was renewed.
    pub beats: u64,
    /// The length of the lease.
    pub lease_for: Duration,
}

impl StoredTask {
    /// A new task's.
    pub fn new(new: NewTask, id: TaskId, now: Timestamp) -> Self {
        let task = Task::from_new(new, id, now);
        Self {
            due: task.eta <= now,
            task,
            beats: 0,
            lease_for: Duration::ZERO,
        }
    }

    /// A task together with what its storage has recorded of it.
    pub const fn from_parts(task: Task, due: bool, beats: u64, lease_for: Duration) -> Self {
        Self {
            task,
            due,
            beats,
            lease_for,
        }
    }

    /// What a claim does.
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

    /// Whether this lease is still held.
    pub fn hold(&self, lease: Lease) -> Hold {
        let ours = self.task.owner.is_some() && self.task.lease == lease.number;
        match self.task.status {
            TaskStatus::Running if ours => Hold::Held,
            TaskStatus::Cancelled if ours => Hold::Cancelled,
            _ => Hold::Lost,
        }
    }

    /// Whether the change makes a finished task unfinished again, so that it needs its key and its series.
    pub fn begins_again(&self, change: &Change) -> bool {
        self.task.status.is_finished() && change.status == TaskStatus::Pending
    }

    /// What the guard of a change says, if it refuses it.
    pub fn refuses(&self, change: &Change) -> Option<Settled> {
        let task = &self.task;
        let same = task.status == change.expect && task.lease == change.lease;
        let refused = !same || (self.begins_again(change) && task.owner.is_some());
        refused.then_some(Settled::Stale {
            status: task.status,
            lease: task.lease,
        })
    }

    /// What a change does that is not refused; its follow-ups apart.
    pub fn apply(&mut self, change: &Change, now: Timestamp) {
        let again = self.begins_again(change);
        let task = &mut self.task;
        let ends = change.status.is_finished() && !task.status.is_finished();
        task.status = change.status;
        task.attempts = change.attempts;
        task.crashes = change.crashes;
        if let Some(eta) = change.eta {
            task.eta = eta.resolve(now);
            self.due = task.eta <= now;
        }
        if !change.keep_owner {
            task.owner = None;
        }
        if ends {
            task.finished_at = Some(now);
        }
        if change.status == TaskStatus::Pending {
            task.finished_at = None;
            task.result = None;
        }
        if again {
            task.progress = None;
        }
        if let Some(result) = &change.result {
            task.result = Some(result.clone());
        }
        task.errors.extend(change.error.clone());
        let surplus = task.errors.len().saturating_sub(KEPT_ERRORS);
        task.errors.drain(..surplus);
    }

    /// Counts it among those of its lane.
    pub fn count(&self, counts: &mut QueueStats, now: Timestamp) {
        let scheduled = !self.due && self.task.eta > now;
        counts.count(self.task.status, scheduled);
    }
}
