//! The tasks, and the operations on them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use omniq_core::storage::{
    ClaimRequest, Claimed, Enqueued, HeldLease, Hold, LaneStats, Lease, LeaseWatch,
    MAX_DUE_PER_CLAIM, Orphan, OrphanReason, ProgressUpdate, PurgeRequest, QueueStats, StoredTask,
    TaskFilter,
};
use omniq_core::{NewTask, Result, Task, TaskId, Timestamp};

use crate::ids::Ids;
use crate::index::Index;
use crate::lanes::LaneKey;

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) ids: Ids,
    rows: BTreeMap<TaskId, StoredTask>,
    pub(crate) index: Index,
    leases: LeaseWatch,
}

impl State {
    pub(crate) fn enqueue(&mut self, tasks: Vec<NewTask>, now: Timestamp) -> Result<Vec<Enqueued>> {
        let ids = self.ids.assign(tasks.len(), now)?;
        let pairs = tasks.into_iter().zip(ids);
        Ok(pairs.map(|(new, id)| self.insert(new, id, now)).collect())
    }

    /// Adds a task with this id, unless it conflicts with another.
    pub(crate) fn insert(&mut self, new: NewTask, id: TaskId, now: Timestamp) -> Enqueued {
        let key = new.unique_key.as_deref();
        if let Some(holder) = self.index.conflicting(&new.name, key, new.series_id) {
            return Enqueued::Existing(holder);
        }
        let row = StoredTask::new(new, id, now);
        self.index.add(&row);
        self.rows.insert(id, row);
        Enqueued::New(id)
    }

    pub(crate) fn row(&self, id: TaskId) -> Option<&StoredTask> {
        self.rows.get(&id)
    }

    /// Changes a row. All changes to indexed fields go through this, so that the index stays up to date.
    pub(crate) fn update(&mut self, id: TaskId, change: impl FnOnce(&mut StoredTask)) {
        if let Some(row) = self.rows.get_mut(&id) {
            self.index.remove(row);
            change(row);
            self.index.add(row);
        }
    }

    pub(crate) fn claim(&mut self, request: &ClaimRequest, now: Timestamp) -> Claimed {
        let filter = &request.filter;
        if request.limit == 0 {
            return Claimed::default();
        }
        for id in self.index.lanes.newly_due(filter, now, MAX_DUE_PER_CLAIM) {
            self.update(id, |row| row.due = true);
        }
        let ids = self.index.lanes.first(filter, request.limit);
        for id in &ids {
            self.update(*id, |row| row.begin(request, now));
        }
        let mut next_due = None;
        if ids.len() < request.limit {
            next_due = self.index.lanes.next_due(filter);
        }
        let tasks = self.get(&ids).into_iter().flatten().collect();
        Claimed::new(tasks, next_due)
    }

    pub(crate) fn renew(&mut self, leases: &[Lease], lease_for: Duration) -> Vec<Hold> {
        for lease in leases {
            if let Some(row) = self.rows.get_mut(&lease.id)
                && row.hold(*lease) != Hold::Lost
            {
                row.beats += 1;
                row.lease_for = lease_for;
            }
        }
        self.held(leases)
    }

    pub(crate) fn held(&self, leases: &[Lease]) -> Vec<Hold> {
        let hold = |lease: &Lease| self.row(lease.id).map_or(Hold::Lost, |r| r.hold(*lease));
        leases.iter().map(hold).collect()
    }

    pub(crate) fn record_progress(
        &mut self,
        updates: Vec<ProgressUpdate>,
        now: Timestamp,
    ) -> Vec<bool> {
        let record = |update: ProgressUpdate| match self.rows.get_mut(&update.lease.id) {
            Some(row) if row.hold(update.lease) != Hold::Lost => {
                row.task.progress = Some(update.progress(now));
                true
            }
            _ => false,
        };
        updates.into_iter().map(record).collect()
    }

    pub(crate) fn orphans(&mut self, monotonic: Duration, limit: usize) -> Vec<Orphan> {
        let held = self.index.held.iter().filter_map(|id| self.rows.get(id));
        let held = held.map(|row| HeldLease::new(row.task.lease(), row.beats, row.lease_for));
        let mut expired = self.leases.observe(held, monotonic);
        expired.sort_unstable();
        let tasks = expired
            .iter()
            .take(limit)
            .filter_map(|lease| self.row(lease.id));
        tasks
            .map(|row| Orphan::new(row.task.clone(), OrphanReason::LeaseExpired, true))
            .collect()
    }

    pub(crate) fn get(&self, ids: &[TaskId]) -> Vec<Option<Task>> {
        let task = |id: &TaskId| self.row(*id).map(|row| row.task.clone());
        ids.iter().map(task).collect()
    }

    pub(crate) fn list(&self, filter: &TaskFilter) -> Vec<Task> {
        let from = filter.after.map_or(Bound::Unbounded, Bound::Excluded);
        let matches = |task: &&Task| {
            filter.queue.as_ref().is_none_or(|q| *q == task.queue)
                && filter.name.as_ref().is_none_or(|n| *n == task.name)
                && filter.status.is_none_or(|s| s == task.status)
        };
        let page = self.rows.range((from, Bound::Unbounded));
        let page = page.map(|(_, row)| &row.task).filter(matches);
        page.take(filter.limit as usize).cloned().collect()
    }

    pub(crate) fn stats(&self, now: Timestamp) -> Vec<LaneStats> {
        let mut lanes: BTreeMap<LaneKey, QueueStats> = BTreeMap::new();
        for row in self.rows.values() {
            row.count(lanes.entry(LaneKey::of(&row.task)).or_default(), now);
        }
        let lanes = lanes.into_iter();
        lanes
            .map(|(lane, counts)| LaneStats::new(lane.queue, lane.name, lane.format, counts))
            .collect()
    }

    pub(crate) fn purge(&mut self, request: &PurgeRequest) -> u64 {
        let finished = self.index.finished.iter();
        let rows = finished.filter_map(|(_, id)| self.rows.get(id));
        let rows = rows.filter(|row| request.takes(&row.task));
        let ids: Vec<_> = rows.map(|r| r.task.id).take(request.limit).collect();
        for id in &ids {
            if let Some(row) = self.rows.remove(id) {
                self.index.remove(&row);
            }
        }
        ids.len() as u64
    }
}
