//! Random walks: what happens next, and what the model says to it.

use std::time::Duration;

use omniq_core::settle::{Outcome, cancel, requeue, reschedule, settle, take_over};
use omniq_core::storage::{
    ClaimFilter, ClaimRequest, Claimed, Enqueued, Hold, Lease, Orphan, OrphanReason,
    ProgressUpdate, PurgeRequest, Settled,
};
use omniq_core::{Change, Due, NewTask, Task, TaskError, TaskStatus, Timestamp};

use crate::builders::{NOW, at, owner, value};
use crate::model::Model;

/// One step, as it is drawn: tasks are picked when it is taken.
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

/// An order; the series of the picked task, if it is to continue one.
#[derive(Debug, Clone)]
pub(crate) struct OrderPlan {
    pub(crate) new: NewTask,
    pub(crate) series: Option<usize>,
}

/// A change; odd ones do not fit the task, or carry another lease.
#[derive(Debug, Clone)]
pub(crate) struct ChangePlan {
    pub(crate) pick: usize,
    pub(crate) what: ChangeKind,
    pub(crate) odd: bool,
    pub(crate) stale: bool,
    pub(crate) then: Vec<OrderPlan>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum ChangeKind {
    Succeed,
    Break { retryable: bool },
    Release,
    Cancel { running: bool },
    ReleaseCancelled,
    Requeue { cancelled: bool },
    Reschedule(i64),
}

/// ChangeKind was asked, and what the model answered, in the model's ids.
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

/// Where a walk stands.
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

    pub(crate) fn take(&mut self, step: &Operation) {
        self.executed = match step {
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
                    .filter_map(|request| self.change(request))
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
            } => self.note(picks, *stale, *fraction),
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
                self.now = self.clock(*seconds);
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

    fn note(&mut self, picks: &[usize], stale: bool, fraction: f64) -> Executed {
        let leases = self.leases(picks, stale).into_iter();
        let text = format!("as of {}", self.now.as_micros());
        let notes: Vec<_> = leases
            .map(|l| ProgressUpdate::new(l, fraction, &text))
            .collect();
        let answers = self.model.note(&notes, self.now);
        Executed::ProgressUpdate(notes, answers)
    }

    /// The clock may go back, but not before an eta that has passed without a claim: a storage is free to
    /// have noticed it, or not.
    fn clock(&self, seconds: i64) -> Timestamp {
        let passed = self.model.kept().filter(|row| {
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

    /// One of the tasks that fit, purged ones among them.
    fn pick(&self, pick: usize, fits: impl Fn(&Task) -> bool) -> Option<&Task> {
        let fitting: Vec<_> = self
            .model
            .rows
            .iter()
            .map(|row| &row.task)
            .filter(|task| fits(task))
            .collect();
        fitting.get(pick.checked_rem(fitting.len())?).copied()
    }

    fn leases(&self, picks: &[usize], stale: bool) -> Vec<Lease> {
        let lease = |pick: &usize| self.lease(*pick, stale);
        picks.iter().filter_map(lease).collect()
    }

    fn lease(&self, pick: usize, stale: bool) -> Option<Lease> {
        let task = self.pick(pick, |task| stale || task.owner.is_some())?;
        let mut lease = task.lease();
        // Once a task was let go of, its last lease is stale as it is.
        lease.number += u64::from(stale && task.owner.is_some());
        Some(lease)
    }

    fn change(&self, request: &ChangePlan) -> Option<Change> {
        let fits = |task: &Task| task.status == request.what.from();
        let fitting = self.pick(request.pick, fits).filter(|_| !request.odd);
        let mut task = fitting
            .or_else(|| self.pick(request.pick, |_| true))?
            .clone();
        // As if it had been seen so, some time ago.
        task.status = request.what.from();
        if matches!(request.what, ChangeKind::Requeue { .. }) {
            task.owner = None;
        }
        let then = self.orders(&request.then);
        let mut change = request
            .what
            .change(&task, then, self.now)
            .expect("the status fits");
        if request.stale {
            change.lease = change.lease.checked_sub(1).unwrap_or(9);
        }
        Some(change)
    }

    fn take_over(&mut self, max_crashes: u32) -> Executed {
        let tasks = self.model.orphans(self.monotonic);
        let over = |task: &Task| {
            let orphan = Orphan::new(task.clone(), OrphanReason::LeaseExpired, true);
            take_over(&orphan, max_crashes, self.now, 0.5).expect("an orphan may be taken over")
        };
        let changes: Vec<_> = tasks.iter().map(over).collect();
        let answers = self.model.settle(&changes, self.now);
        Executed::TakeOver(tasks, changes, answers)
    }
}

impl ChangeKind {
    fn from(self) -> TaskStatus {
        match self {
            Self::Succeed | Self::Break { .. } | Self::Release => TaskStatus::Running,
            Self::Cancel { running: true } => TaskStatus::Running,
            Self::Cancel { running: false } | Self::Reschedule(_) => TaskStatus::Pending,
            Self::ReleaseCancelled | Self::Requeue { cancelled: true } => TaskStatus::Cancelled,
            Self::Requeue { cancelled: false } => TaskStatus::Failed,
        }
    }

    /// The change of this kind; `None` if the task's status does not allow it.
    fn change(self, task: &Task, then: Vec<NewTask>, now: Timestamp) -> Option<Change> {
        let outcome = |outcome| settle(task, outcome, now, 0.5).ok();
        match self {
            Self::Succeed => outcome(Outcome::Succeeded {
                result: value("\"done\""),
                then,
            }),
            Self::Break { retryable } => {
                let error = TaskError::new("odd", "it failed_attempt").with_retryable(retryable);
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
