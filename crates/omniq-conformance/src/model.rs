//! The model of a storage: a plain list that is searched from end to end, so that its correctness is obvious.

use std::cmp::Reverse;
use std::time::Duration;

use omniq_core::storage::{
    ClaimRequest, Claimed, Enqueued, Hold, KEPT_ERRORS, LaneStats, Lease, ProgressUpdate,
    PurgeRequest, QueueStats, Settled,
};
use omniq_core::{Change, NewTask, Task, TaskId, TaskStatus, Timestamp};

/// All tasks, including purged ones. The task with id `n` is at index `n - 1`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) rows: Vec<Row>,
}

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) task: Task,
    pub(crate) purged: bool,
    pub(crate) due: bool,
    beats: u64,
    lease_for: Duration,
    /// The lease number and renewal count at the last check for orphans, and the time since which they are the same.
    observed: Option<(u64, u64, Duration)>,
}

impl Model {
    fn row(&mut self, id: TaskId) -> Option<&mut Row> {
        self.rows
            .iter_mut()
            .find(|row| row.task.id == id && !row.purged)
    }

    pub(crate) fn existing(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.purged)
    }

    fn conflicting(
        &self,
        name: &str,
        key: Option<&String>,
        series: Option<TaskId>,
    ) -> Option<TaskId> {
        let key = self.existing().find(|row| {
            let task = &row.task;
            key.is_some()
                && task.unique_key.as_ref() == key
                && task.name == name
                && task.holds_unique_key()
        });
        let series = self.existing().find(|row| {
            series.is_some() && row.task.series_id == series && !row.task.status.is_finished()
        });
        key.or(series).map(|row| row.task.id)
    }

    pub(crate) fn enqueue(&mut self, orders: Vec<NewTask>, now: Timestamp) -> Vec<Enqueued> {
        orders
            .into_iter()
            .map(|new| self.insert(new, now))
            .collect()
    }

    fn insert(&mut self, new: NewTask, now: Timestamp) -> Enqueued {
        if let Some(id) = self.conflicting(&new.name, new.unique_key.as_ref(), new.series_id) {
            return Enqueued::Existing(id);
        }
        let count = i64::try_from(self.rows.len()).expect("a short list");
        let id = TaskId::from_i64(count + 1).expect("a positive number");
        let task = Task::from_new(new, id, now);
        self.rows.push(Row {
            purged: false,
            due: task.eta <= now,
            task,
            beats: 0,
            lease_for: Duration::ZERO,
            observed: None,
        });
        Enqueued::New(id)
    }

    pub(crate) fn claim(&mut self, request: &ClaimRequest) -> Claimed {
        if request.limit == 0 {
            return Claimed::default();
        }
        let takes = |row: &Row| {
            let task = &row.task;
            !row.purged
                && task.status == TaskStatus::Pending
                && task.hold_count == 0
                && request
                    .filter
                    .takes(&task.queue, &task.name, task.payload.format)
        };
        let mut matching: Vec<_> = self.rows.iter_mut().filter(|row| takes(row)).collect();
        for row in &mut matching {
            row.due |= row.task.eta <= request.now;
        }
        matching.sort_by_key(|row| (Reverse(row.task.priority), row.task.eta, row.task.id));
        let (due, waiting): (Vec<_>, Vec<_>) = matching.into_iter().partition(|row| row.due);
        let next_due = waiting.iter().map(|row| row.task.eta).min();
        let tasks: Vec<_> = due
            .into_iter()
            .take(request.limit)
            .map(|row| row.begin(request))
            .collect();
        if tasks.len() < request.limit {
            Claimed::new(tasks, next_due)
        } else {
            Claimed::new(tasks, None)
        }
    }

    pub(crate) fn held(&self, leases: &[Lease]) -> Vec<Hold> {
        let hold = |lease: &Lease| {
            let holds = |row: &&Row| row.task.lease() == *lease && row.task.owner.is_some();
            match self.existing().find(holds).map(|row| row.task.status) {
                Some(TaskStatus::Running) => Hold::Held,
                Some(_) => Hold::Cancelled,
                None => Hold::Lost,
            }
        };
        leases.iter().map(hold).collect()
    }

    pub(crate) fn renew(&mut self, leases: &[Lease], lease_for: Duration) -> Vec<Hold> {
        let holds = self.held(leases);
        for (lease, hold) in leases.iter().zip(&holds) {
            if *hold != Hold::Lost
                && let Some(row) = self.row(lease.id)
            {
                row.beats += 1;
                row.lease_for = lease_for;
            }
        }
        holds
    }

    pub(crate) fn record_progress(
        &mut self,
        updates: &[ProgressUpdate],
        now: Timestamp,
    ) -> Vec<bool> {
        let mut answers = Vec::new();
        for update in updates {
            let held = self.held(&[update.lease]) != [Hold::Lost];
            if held && let Some(row) = self.row(update.lease.id) {
                row.task.progress = Some(update.clone().progress(now));
            }
            answers.push(held);
        }
        answers
    }

    pub(crate) fn settle(&mut self, changes: &[Change], now: Timestamp) -> Vec<Settled> {
        changes
            .iter()
            .map(|change| self.settle_one(change, now))
            .collect()
    }

    fn settle_one(&mut self, change: &Change, now: Timestamp) -> Settled {
        let Some(task) = self.row(change.id).map(|row| row.task.clone()) else {
            return Settled::NotFound;
        };
        let (status, lease) = (task.status, task.lease);
        let restarts = status.is_finished() && change.status == TaskStatus::Pending;
        let releases =
            (change.expect, change.status) == (TaskStatus::Cancelled, TaskStatus::Cancelled);
        let owner_fits = match task.owner {
            Some(_) => !restarts,
            None => !releases,
        };
        if (status, lease) != (change.expect, change.lease) || !owner_fits {
            return Settled::Stale { status, lease };
        }
        let other = self.conflicting(&task.name, task.unique_key.as_ref(), task.series_id);
        if restarts && let Some(holder) = other {
            return Settled::Conflict { holder };
        }
        if let Some(row) = self.row(change.id) {
            row.apply(change.clone(), now);
        }
        self.enqueue(change.then.clone(), now);
        Settled::Applied
    }

    /// Returns all tasks whose lease has expired, in the order of their ids.
    pub(crate) fn orphans(&mut self, monotonic: Duration) -> Vec<Task> {
        let mut expired = Vec::new();
        for row in &mut self.rows {
            let now = (row.task.lease, row.beats, monotonic);
            let same = |before: &(u64, u64, Duration)| (before.0, before.1) == (now.0, now.1);
            let observed = row.observed.filter(same).unwrap_or(now);
            row.observed = row.task.owner.map(|_| observed);
            if row.observed.is_some() && monotonic - observed.2 >= row.lease_for {
                expired.push(row.task.clone());
            }
        }
        expired
    }

    pub(crate) fn purge(&mut self, request: &PurgeRequest) -> u64 {
        let takes = |row: &&mut Row| !row.purged && request.takes(&row.task);
        let mut old: Vec<_> = self.rows.iter_mut().filter(takes).collect();
        old.sort_by_key(|row| (row.task.finished_at, row.task.id));
        let deleted = old.into_iter().take(request.limit);
        deleted.map(|row| row.purged = true).count() as u64
    }

    pub(crate) fn stats(&self, now: Timestamp) -> Vec<LaneStats> {
        let lane = |row: &Row| {
            (
                row.task.queue.clone(),
                row.task.name.clone(),
                row.task.payload.format,
            )
        };
        let mut lanes: Vec<_> = self.existing().map(lane).collect();
        lanes.sort();
        lanes.dedup();
        let stats = lanes.into_iter().map(|key| {
            let count = |wanted: &dyn Fn(&Row) -> bool| {
                self.existing()
                    .filter(|row| lane(row) == key && wanted(row))
                    .count() as u64
            };
            let with = |status| count(&|row| row.task.status == status);
            let scheduled = count(&|row| {
                row.task.status == TaskStatus::Pending && !row.due && row.task.eta > now
            });
            let mut counts = QueueStats::default();
            counts.pending = with(TaskStatus::Pending);
            counts.scheduled = scheduled;
            counts.running = with(TaskStatus::Running);
            counts.success = with(TaskStatus::Success);
            counts.failed = with(TaskStatus::Failed);
            counts.cancelled = with(TaskStatus::Cancelled);
            let (queue, name, format) = key.clone();
            LaneStats::new(queue, name, format, counts)
        });
        stats.collect()
    }
}

impl Row {
    fn begin(&mut self, request: &ClaimRequest) -> Task {
        self.task.status = TaskStatus::Running;
        self.task.attempts += 1;
        self.task.lease += 1;
        self.task.owner = Some(request.owner);
        self.task.started_at = Some(request.now);
        self.task.progress = None;
        self.beats = 0;
        self.lease_for = request.lease_for;
        self.task.clone()
    }

    fn apply(&mut self, change: Change, now: Timestamp) {
        let task = &mut self.task;
        if change.status.is_finished() && !task.status.is_finished() {
            task.finished_at = Some(now);
        }
        if change.status == TaskStatus::Pending && task.status.is_finished() {
            task.progress = None;
        }
        if change.status == TaskStatus::Pending {
            (task.finished_at, task.result) = (None, None);
        }
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
        task.result = change.result.or(task.result.take());
        task.errors.extend(change.error);
        while task.errors.len() > KEPT_ERRORS {
            task.errors.remove(0);
        }
    }
}
