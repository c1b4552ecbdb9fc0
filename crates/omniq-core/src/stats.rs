use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Format, TaskStatus};

/// How many tasks there are, by queue.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stats {
    /// By the queue's name.
    pub queues: BTreeMap<String, QueueStats>,
    /// Due tasks that no running pool of this process takes, by the task's name.
    pub unhandled: BTreeMap<String, u64>,
}

/// How many tasks a queue has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QueueStats {
    /// All that wait, `scheduled` among them.
    pub pending: u64,
    /// Those that wait for a later eta: first runs, next runs and next attempts.
    pub scheduled: u64,
    /// Claimed.
    pub running: u64,
    /// Ended with a result, and not yet purged.
    pub success: u64,
    /// Ended with an error, and not yet purged.
    pub failed: u64,
    /// Cancelled, and not yet purged.
    pub cancelled: u64,
}

impl QueueStats {
    /// One more task of this status. `scheduled` counts for a pending one.
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

    /// Adds another's numbers.
    pub fn add(&mut self, other: &Self) {
        self.pending += other.pending;
        self.scheduled += other.scheduled;
        self.running += other.running;
        self.success += other.success;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
    }
}

/// The numbers of one lane: the tasks of one queue, name and format.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneStats {
    /// The queue.
    pub queue: String,
    /// The task's name.
    pub name: String,
    /// The payload's format.
    pub format: Format,
    /// How many.
    pub counts: QueueStats,
}

impl LaneStats {
    /// The counts of the lane with this queue, name and format.
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
