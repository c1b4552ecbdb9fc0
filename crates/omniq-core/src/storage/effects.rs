//! The effects of a batch of writes of which others are notified.

use std::sync::Arc;

use super::Signal;
use crate::{Change, TaskId, TaskStatus, Timestamp};

/// What other handles and processes have to be notified of once a batch of writes is committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effects {
    /// The time of the last write that added work, or an eta; `None` if none did.
    pub work_added: Option<Timestamp>,
    /// The tasks that finished, or were released by the owner that held them after a cancellation.
    pub finished: Vec<TaskId>,
    /// The tasks that were cancelled.
    pub cancelled: Vec<TaskId>,
}

impl Effects {
    /// Records that a write of this time added work.
    pub fn add_work(&mut self, now: Timestamp) {
        self.work_added = Some(now);
    }

    /// Records a change that was applied.
    pub fn record(&mut self, change: &Change, now: Timestamp) {
        if change.adds_work() {
            self.add_work(now);
        }
        let releases = change.expect == TaskStatus::Cancelled;
        match change.status {
            TaskStatus::Cancelled if !releases => self.cancelled.push(change.id),
            status if status.is_finished() => self.finished.push(change.id),
            _ => {}
        }
    }

    /// Returns whether there is nothing of which others have to be notified.
    pub fn is_empty(&self) -> bool {
        self.work_added.is_none() && self.finished.is_empty() && self.cancelled.is_empty()
    }

    /// Returns the signals that notify the listeners.
    pub fn into_signals(self) -> impl Iterator<Item = Signal> {
        let mut signals = Vec::new();
        if self.work_added.is_some() {
            signals.push(Signal::Enqueued);
        }
        if !self.finished.is_empty() {
            signals.push(Signal::Finished(Arc::from(self.finished)));
        }
        if !self.cancelled.is_empty() {
            signals.push(Signal::Cancelled(Arc::from(self.cancelled)));
        }
        signals.into_iter()
    }
}
