//! Counts of tasks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Format, TaskStatus};

/// How many tasks there are, by queue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stats {
    /// The counts by queue name.
    pub queues: BTreeMap<String, QueueStats>,
    /// The number of due tasks that no running pool of this process claims, by task name.
    pub unhandled: BTreeMap<String, u64>,
}

/// How many tasks a queue has, by status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueueStats {
    /// Pending tasks, including `scheduled` ones.
    pub pending: u64,
    /// Pending tasks that wait for a later eta: first runs, next runs and next attempts.
    pub scheduled: u64,
    /// Running tasks.
    pub running: u64,
    /// Successful tasks that are not purged yet.
    pub success: u64,
    /// Failed tasks that are not purged yet.
    pub failed: u64,
    /// Cancelled tasks that are not purged yet.
    pub cancelled: u64,
}

impl QueueStats {
    /// Counts a task with this status. `scheduled` matters for a pending task only.
    pub fn count(&mut self, status: TaskStatus, scheduled: bool) {
        match status {
            TaskStatus::Pending => {
                self.pending += 1;
                self.scheduled += u64::from(scheduled);
            }
            TaskStatus::Running => self.running += 1,
            TaskStatus::Success => self.success += 1,
            TaskStatus::Failed => self.failed += 1,
            TaskStatus::Cancelled => self.cancelled += 1,
        }
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        self.pending += other.pending;
        self.scheduled += other.scheduled;
        self.running += other.running;
        self.success += other.success;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
    }
}

/// The counts of one lane: the tasks of one queue, name and format.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneStats {
    /// The queue.
    pub queue: String,
    /// The task's name.
    pub name: String,
    /// The payload's format.
    pub format: Format,
    /// The counts.
    pub counts: QueueStats,
}

impl LaneStats {
    /// Returns the counts of the lane with this queue, name and format.
    pub fn new(queue: String, name: String, format: Format, counts: QueueStats) -> Self {
        Self {
            queue,
            name,
            format,
            counts,
        }
    }

    /// Sorts by queue, name and format, the order that [`Storage::stats`](crate::Storage::stats) promises.
    pub fn sort(lanes: &mut [Self]) {
        lanes.sort_unstable_by(|a, b| {
            (&a.queue, &a.name, a.format).cmp(&(&b.queue, &b.name, b.format))
        });
    }
}
