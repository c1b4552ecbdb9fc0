//! Random operations, and their execution on the model.

use std::time::Duration;

use omniq_core::settle::{Outcome, cancel, requeue, reschedule, settle, take_over};
use omniq_core::storage::{
    ClaimFilter, ClaimRequest, Claimed, Enqueued, Hold, Lease, Orphan, OrphanReason,
    ProgressUpdate, PurgeRequest, Settled,
};
use omniq_core::{Change, Due, NewTask, Task, TaskError, TaskStatus, Timestamp};

use crate::builders::{NOW, at, owner, value};
use crate::model::Model;

/// A random operation. Its tasks are picked by number when it is executed.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Enqueue(Vec<OrderPlan>),
    Claim {
        filter: ClaimFilter,
        limit: usize,
        owner: i64,
        lease_for: u64,
    },
    Settle(Vec<ChangePlan>),
    Renew {
        picks: Vec<usize>,
        stale: bool,
        lease_for: u64,
    },
    ProgressUpdate {
        picks: Vec<usize>,
        stale: bool,
        fraction: f64,
    },
    TakeOver {
        max_crashes: u32,
    },
    Purge {
        statuses: Vec<TaskStatus>,
        older_than: u64,
        limit: usize,
    },
    Clock(i64),
    MonotonicClock(u64),
}

/// A task to enqueue.
#[derive(Debug, Clone)]
pub(crate) struct OrderPlan {
    pub(crate) new: NewTask,
    /// The number of a task whose series the new one continues.
    pub(crate) series: Option<usize>,
}

/// A change to settle.
#[derive(Debug, Clone)]
pub(crate) struct ChangePlan {
    pub(crate) pick: usize,
    pub(crate) kind: ChangeKind,
    /// Whether any task is picked, even one with another status than the change expects.
    pub(crate) any_status: bool,
    /// Whether the change has a lease number that the task does not have.
    pub(crate) stale: bool,
    pub(crate) then: Vec<OrderPlan>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum ChangeKind {
    Succeed,
    Fail { retryable: bool },
    Release,
    Cancel { running: bool },
    ReleaseCancelled,
    Requeue { cancelled: bool },
    Reschedule(i64),
}

/// The last operation that was executed, and the answer of the model, with the ids of the model.
#[derive(Debug, Clone)]
pub(crate) enum Executed {
    Nothing,
    Enqueue(Vec<NewTask>, Vec<Enqueued>),
    Claim(ClaimRequest, Claimed),
    Settle(Vec<Change>, Vec<Settled>),
    Renew(Vec<Lease>, Duration, Vec<Hold>),
    ProgressUpdate(Vec<ProgressUpdate>, Vec<bool>),
    TakeOver(Vec<Task>, Vec<Change>, Vec<Settled>),
    Purge(PurgeRequest, u64),
}

/// The model, the clocks and the last operation.
#[derive(Debug, Clone)]
pub(crate) struct ModelState {
    pub(crate) model: Model,
    pub(crate) now: Timestamp,
    pub(crate) monotonic: Duration,
    pub(crate) executed: Executed,
}

impl ModelState {
    pub(crate) fn start() -> Self {
        Self {
            model: Model::default(),
            now: NOW,
            monotonic: Duration::from_secs(100),
            executed: Executed::Nothing,
        }
    }

    pub(crate) fn execute(&mut self, operation: &Operation) {
        self.executed = match operation {
            Operation::Enqueue(plans) => {
                let orders = self.orders(plans);
                let answers = self.model.enqueue(orders.clone(), self.now);
                Executed::Enqueue(orders, answers)
            }
            Operation::Claim {
                filter,
                limit,
                owner,
                lease_for,
            } => self.claim(filter, *limit, *owner, *lease_for),
            Operation::Settle(plans) => {
                let changes = plans
                    .iter()
                    .filter_map(|plan| self.change(plan))
                    .collect::<Vec<_>>();
                let answers = self.model.settle(&changes, self.now);
                Executed::Settle(changes, answers)
            }
            Operation::Renew {
                picks,
                stale,
                lease_for,
            } => self.renew(picks, *stale, *lease_for),
            Operation::ProgressUpdate {
                picks,
                stale,
                fraction,
            } => self.record_progress(picks, *stale, *fraction),
            Operation::TakeOver { max_crashes } => self.take_over(*max_crashes),
            Operation::Purge {
                statuses,
                older_than,
                limit,
            } => {
                let age = Duration::from_secs(*older_than);
                let request =
                    PurgeRequest::new(statuses.iter().copied(), age, self.now).limit(*limit);
                let answer = self.model.purge(&request);
                Executed::Purge(request, answer)
            }
            Operation::Clock(seconds) => {
                self.now = self.moved_clock(*seconds);
                Executed::Nothing
            }
            Operation::MonotonicClock(seconds) => {
                self.monotonic += Duration::from_secs(*seconds);
                Executed::Nothing
            }
        };
    }

    fn claim(
        &mut self,
        filter: &ClaimFilter,
        limit: usize,
        number: i64,
        lease_for: u64,
    ) -> Executed {
        let lease_for = Duration::from_secs(lease_for);
        let request = ClaimRequest::new(owner(number), filter.clone(), self.now, lease_for);
        let request = request.limit(limit);
        let answer = self.model.claim(&request);
        Executed::Claim(request, answer)
    }

    fn renew(&mut self, picks: &[usize], stale: bool, lease_for: u64) -> Executed {
        let leases = self.leases(picks, stale);
        let lease_for = Duration::from_secs(lease_for);
        let answers = self.model.renew(&leases, lease_for);
        Executed::Renew(leases, lease_for, answers)
    }

    fn record_progress(&mut self, picks: &[usize], stale: bool, fraction: f64) -> Executed {
        let leases = self.leases(picks, stale).into_iter();
        let text = format!("as of {}", self.now.as_micros());
        let updates: Vec<_> = leases
            .map(|l| ProgressUpdate::new(l, fraction, &text))
            .collect();
        let answers = self.model.record_progress(&updates, self.now);
        Executed::ProgressUpdate(updates, answers)
    }

    /// Returns the time after the clock was moved. It may go back, but not before an eta that has passed without a
    /// claim, because a storage may or may not have noticed that the task is due.
    fn moved_clock(&self, seconds: i64) -> Timestamp {
        let passed = self.model.existing().filter(|row| {
            row.task.status == TaskStatus::Pending && !row.due && row.task.eta <= self.now
        });
        let passed = passed.map(|row| row.task.eta).max();
        let target = Timestamp(self.now.0 + seconds * 1_000_000);
        passed.map_or(target, |eta| target.max(eta))
    }

    fn orders(&self, plans: &[OrderPlan]) -> Vec<NewTask> {
        let order = |plan: &OrderPlan| {
            let mut new = plan.new.clone();
            let picked = plan.series.and_then(|pick| self.pick(pick, |_| true));
            new.series_id = picked.and_then(|task| task.series_id);
            new
        };
        plans.iter().map(order).collect()
    }

    /// Picks one of the tasks that match, including purged ones.
    fn pick(&self, pick: usize, matches: impl Fn(&Task) -> bool) -> Option<&Task> {
        let matching: Vec<_> = self
            .model
            .rows
            .iter()
            .map(|row| &row.task)
            .filter(|task| matches(task))
            .collect();
        matching.get(pick.checked_rem(matching.len())?).copied()
    }

    fn leases(&self, picks: &[usize], stale: bool) -> Vec<Lease> {
        let lease = |pick: &usize| self.lease(*pick, stale);
        picks.iter().filter_map(lease).collect()
    }

    fn lease(&self, pick: usize, stale: bool) -> Option<Lease> {
        let task = self.pick(pick, |task| stale || task.owner.is_some())?;
        let mut lease = task.lease();
        // The last lease of a task without an owner is already stale.
        lease.number += u64::from(stale && task.owner.is_some());
        Some(lease)
    }

    fn change(&self, plan: &ChangePlan) -> Option<Change> {
        let expected = plan.kind.expected_status();
        let matching = self.pick(plan.pick, |task| plan.any_status || task.status == expected);
        let picked = matching.or_else(|| self.pick(plan.pick, |_| true))?;
        // The caller may have read the task when it had this status.
        let mut task = picked.clone();
        task.status = expected;
        if matches!(plan.kind, ChangeKind::Requeue { .. }) {
            task.owner = None;
        }
        let then = self.orders(&plan.then);
        let mut change = plan
            .kind
            .change(&task, then, self.now)
            .expect("the status allows the change");
        if plan.stale {
            change.lease = change.lease.checked_sub(1).unwrap_or(9);
        }
        Some(change)
    }

    fn take_over(&mut self, max_crashes: u32) -> Executed {
        let tasks = self.model.orphans(self.monotonic);
        let taken_over = |task: &Task| {
            let orphan = Orphan::new(task.clone(), OrphanReason::LeaseExpired, true);
            take_over(&orphan, max_crashes, self.now, 0.5).expect("an orphan may be taken over")
        };
        let changes: Vec<_> = tasks.iter().map(taken_over).collect();
        let answers = self.model.settle(&changes, self.now);
        Executed::TakeOver(tasks, changes, answers)
    }
}

impl ChangeKind {
    /// Returns the status that a task must have for this change.
    fn expected_status(self) -> TaskStatus {
        match self {
            Self::Succeed | Self::Fail { .. } | Self::Release => TaskStatus::Running,
            Self::Cancel { running: true } => TaskStatus::Running,
            Self::Cancel { running: false } | Self::Reschedule(_) => TaskStatus::Pending,
            Self::ReleaseCancelled | Self::Requeue { cancelled: true } => TaskStatus::Cancelled,
            Self::Requeue { cancelled: false } => TaskStatus::Failed,
        }
    }

    /// Returns the change of this kind; `None` if the task's status does not allow it.
    fn change(self, task: &Task, then: Vec<NewTask>, now: Timestamp) -> Option<Change> {
        let outcome = |outcome| settle(task, outcome, now, 0.5).ok();
        match self {
            Self::Succeed => outcome(Outcome::Succeeded {
                result: value("\"done\""),
                then,
            }),
            Self::Fail { retryable } => {
                let error = TaskError::new("odd", "it failed").with_retryable(retryable);
                outcome(Outcome::Failed(error))
            }
            Self::Release => outcome(Outcome::Released),
            Self::Cancel { .. } => cancel(task).into_change(),
            Self::ReleaseCancelled => Some(Change::release_cancelled(task)),
            Self::Requeue { .. } => requeue(task).into_change(),
            Self::Reschedule(seconds) => reschedule(task, Due::At(at(seconds))).into_change(),
        }
    }
}
