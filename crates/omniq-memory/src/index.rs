//! Finds tasks by owner, unique key, series and finish.

use std::collections::{BTreeSet, HashMap};

use omniq_core::storage::StoredTask;
use omniq_core::{Task, TaskId, TaskStatus, Timestamp};

use crate::lanes::Lanes;

/// The indexes on the tasks. Each task is added to and removed from all of them together, so that they always
/// agree.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) lanes: Lanes,
    /// The tasks that an owner holds.
    pub(crate) held: BTreeSet<TaskId>,
    /// The finished tasks that no owner holds, by the time of their finish.
    pub(crate) finished: BTreeSet<(Timestamp, TaskId)>,
    /// The holder of each unique key, by task name and key.
    keys: HashMap<(String, String), TaskId>,
    /// The unfinished member of each series.
    series: HashMap<TaskId, TaskId>,
}

impl Index {
    pub(crate) fn add(&mut self, row: &StoredTask) {
        let task = &row.task;
        if task.status == TaskStatus::Pending && task.hold_count == 0 {
            self.lanes.add(task, row.due);
        }
        if task.owner.is_some() {
            self.held.insert(task.id);
        }
        if let Some(series) = unfinished_series(task) {
            self.series.insert(series, task.id);
        }
        if task.holds_unique_key() {
            let key = task.unique_key.as_ref();
            self.keys
                .extend(key.map(|key| ((task.name.clone(), key.clone()), task.id)));
        } else if let Some(finished) = task.finished_at {
            self.finished.insert((finished, task.id));
        }
    }

    pub(crate) fn remove(&mut self, row: &StoredTask) {
        let task = &row.task;
        if task.status == TaskStatus::Pending {
            self.lanes.remove(task);
        }
        self.held.remove(&task.id);
        if let Some(series) = unfinished_series(task) {
            self.series.remove(&series);
        }
        if task.holds_unique_key() {
            if let Some(key) = &task.unique_key {
                self.keys.remove(&(task.name.clone(), key.clone()));
            }
        } else if let Some(finished) = task.finished_at {
            self.finished.remove(&(finished, task.id));
        }
    }

    /// Returns the task because of which this one can't be added: it holds the unique key, or is the unfinished
    /// member of the series.
    pub(crate) fn conflicting(
        &self,
        name: &str,
        key: Option<&str>,
        series: Option<TaskId>,
    ) -> Option<TaskId> {
        let by_key = key.and_then(|key| self.keys.get(&(name.to_owned(), key.to_owned())));
        let by_series = || series.and_then(|series| self.series.get(&series));
        by_key.or_else(by_series).copied()
    }
}

/// Returns the series of an unfinished task.
fn unfinished_series(task: &Task) -> Option<TaskId> {
    if task.status.is_finished() {
        return None;
    }
    task.series_id
}
