use std::collections::{BTreeSet, HashMap};

use omniq_core::storage::StoredTask;
use omniq_core::{Task, TaskId, TaskStatus, Timestamp};

use crate::lanes::Lanes;

/// What finds tasks otherwise than by id. Each row is added and removed as a whole, so that no part can
/// fall behind another.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) lanes: Lanes,
    /// Tasks that an owner holds.
    pub(crate) held: BTreeSet<TaskId>,
    /// Finished tasks that nobody holds.
    pub(crate) finished: BTreeSet<(Timestamp, TaskId)>,
    /// Who holds a unique key, by the task's name and the key.
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
        if let Some(series) = live_series(task) {
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
        if let Some(series) = live_series(task) {
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

    /// The task that keeps another one out: by its unique key, or as the live member of its series.
    pub(crate) fn in_the_way(
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

fn live_series(task: &Task) -> Option<TaskId> {
    task.series_id.filter(|_| !task.status.is_finished())
}
