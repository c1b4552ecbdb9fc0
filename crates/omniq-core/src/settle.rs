//! Decides once what is written: an outcome, a takeover or a caller's request becomes one [`Change`].

use crate::lifecycle::{Transition, apply, next};
use crate::storage::Orphan;
use crate::{
    Backoff, Due, NewTask, Payload, Result, Task, TaskError, TaskId, TaskStatus, Timestamp,
};

/// What became of one execution.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The handler returned a value, and asks for these tasks in the same write.
    Succeeded {
        /// What it returned.
        result: Payload,
        /// What is to be enqueued with it.
        then: Vec<NewTask>,
    },
    /// The attempt failed.
    Failed(TaskError),
    /// The task is given back as if it had not been claimed.
    Released,
    /// The lease is no longer ours; at most a cancelled task is let go of.
    LeaseLost,
}

/// One guarded write: it happens if the task still has this status and lease, else not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The task.
    pub id: TaskId,
    /// The guard: the status that it must have.
    pub expect: TaskStatus,
    /// The guard: the lease that it must have.
    pub lease: u64,
    /// The status that it gets.
    pub status: TaskStatus,
    /// The executions that it has then.
    pub attempts: u32,
    /// The crashes that it has then.
    pub crashes: u32,
    /// The eta that it gets; `None` leaves it as it is, and due if it was due.
    pub eta: Option<Due>,
    /// Whether the owner stays until it lets go. A running task that is cancelled keeps its owner.
    pub keep_owner: bool,
    /// The value that is kept.
    pub result: Option<Payload>,
    /// The failed attempt that is added to those kept.
    pub error: Option<TaskError>,
    /// New tasks in the same write; one whose unique key or series is taken is left out.
    pub then: Vec<NewTask>,
}

impl Change {
    fn of(task: &Task, event: Transition) -> Result<Self> {
        let status = apply(task.status, event)?;
        Ok(Self::plain(task, task.status, status))
    }

    /// Frees a cancelled task from the owner that ran it, so that its key and a requeue are possible.
    pub fn release_cancelled(task: &Task) -> Self {
        Self::plain(task, TaskStatus::Cancelled, TaskStatus::Cancelled)
    }

    fn plain(task: &Task, expect: TaskStatus, status: TaskStatus) -> Self {
        Self {
            id: task.id,
            expect,
            lease: task.lease,
            status,
            attempts: task.attempts,
            crashes: task.crashes,
            eta: None,
            keep_owner: false,
            result: None,
            error: None,
            then: Vec::new(),
        }
    }

    /// What is written instead of an execution's outcome that no storage can hold: the task failed.
    pub fn given_up(&self, error: TaskError, now: Timestamp) -> Result<Self> {
        Ok(Self {
            status: apply(self.expect, Transition::GiveUp)?,
            eta: None,
            result: None,
            error: Some(error.settled(now, self.attempts.saturating_sub(1))),
            then: Vec::new(),
            ..self.clone()
        })
    }

    /// Whether the task can be claimed (now or later) after this.
    pub fn adds_work(&self) -> bool {
        self.status == TaskStatus::Pending || !self.then.is_empty()
    }
}

/// The one write that records what became of an execution of `task` (as it was claimed). `random` is a
/// random number from 0 up to 1.
pub fn settle(task: &Task, outcome: Outcome, now: Timestamp, random: f64) -> Result<Change> {
    match outcome {
        Outcome::Succeeded { result, then } => {
            let mut change = Change::of(task, Transition::Succeed)?;
            change.result = Some(result);
            change.then = then;
            change.then.extend(next_run(task));
            Ok(change)
        }
        Outcome::Failed(error) => failed(task, error, now, random),
        Outcome::Released => {
            let mut change = Change::of(task, Transition::Release)?;
            change.attempts = task.attempts.saturating_sub(1);
            Ok(change)
        }
        Outcome::LeaseLost => Ok(Change::release_cancelled(task)),
    }
}

fn failed(task: &Task, error: TaskError, now: Timestamp, random: f64) -> Result<Change> {
    let again = error.is_retryable && task.attempts < task.max_attempts;
    let wait = error
        .requested_wait()
        .unwrap_or_else(|| task.backoff.delay(task.attempts, random));
    let mut change = Change::of(
        task,
        if again {
            Transition::Retry
        } else {
            Transition::GiveUp
        },
    )?;
    change.error = Some(error.settled(now, task.attempts.saturating_sub(1)));
    if again {
        change.eta = Some(Due::In(wait));
    } else {
        change.then.extend(next_run(task));
    }
    Ok(change)
}

/// The one write that takes a task over from an owner that died or fell silent. The attempt is refunded;
/// if it had started, the crash counts, and the `max_crashes`th is the last.
pub fn take_over(orphan: &Orphan, max_crashes: u32, now: Timestamp, random: f64) -> Result<Change> {
    let task = &orphan.task;
    if task.status == TaskStatus::Cancelled {
        return Ok(Change::release_cancelled(task));
    }
    let crashes = task.crashes.saturating_add(u32::from(orphan.started));
    let last = orphan.started && crashes >= max_crashes.max(1);
    let mut change = Change::of(
        task,
        if last {
            Transition::GiveUp
        } else {
            Transition::Release
        },
    )?;
    change.attempts = task.attempts.saturating_sub(1);
    change.crashes = crashes;
    if last {
        let text = format!(
            "its owner was lost {crashes} time(s) while it ran ({})",
            orphan.reason
        );
        let error = TaskError::new("crash", text).with_retryable(false);
        change.error = Some(error.settled(now, change.attempts));
        change.then.extend(next_run(task));
    } else if orphan.started {
        change.eta = Some(Due::In(Backoff::default().delay(crashes, random)));
    }
    Ok(change)
}

/// Whether a caller's request can be carried out on a task as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// This change carries the request out.
    Write(Box<Change>),
    /// The task's status does not allow it.
    NotAllowed,
    /// The task was cancelled, but its owner has not released it yet: its handler may still be running.
    StillHeld,
}

impl Decision {
    /// The change that carries the request out, if there is one.
    pub fn into_change(self) -> Option<Change> {
        match self {
            Self::Write(change) => Some(*change),
            Self::NotAllowed | Self::StillHeld => None,
        }
    }

    /// The change of a transition, if the task's status allows it.
    fn of(task: &Task, transition: Transition, complete: impl FnOnce(&mut Change)) -> Self {
        let Some(status) = next(task.status, transition) else {
            return Self::NotAllowed;
        };
        let mut change = Change::plain(task, task.status, status);
        complete(&mut change);
        Self::Write(Box::new(change))
    }
}

/// Decides a request that a task does not run, or stops. A running task keeps its owner until its handler
/// has stopped.
pub fn cancel(task: &Task) -> Decision {
    let keep_owner = task.status == TaskStatus::Running;
    Decision::of(task, Transition::Cancel, |change| {
        change.keep_owner = keep_owner;
    })
}

/// Decides a request that a pending task runs at another time.
pub fn reschedule(task: &Task, eta: Due) -> Decision {
    Decision::of(task, Transition::Reschedule, |change| {
        change.eta = Some(eta);
    })
}

/// Decides a request that a task which ended without success is tried again from the beginning.
pub fn requeue(task: &Task) -> Decision {
    let decision = Decision::of(task, Transition::Requeue, |change| {
        change.attempts = 0;
        change.crashes = 0;
        change.eta = Some(Due::NOW);
    });
    match decision {
        Decision::Write(_) if task.owner.is_some() => Decision::StillHeld,
        decided => decided,
    }
}

/// The next task of a series, an interval after this one's finish.
fn next_run(task: &Task) -> Option<NewTask> {
    let interval = task.interval?;
    Some(NewTask {
        priority: task.priority,
        eta: Due::In(interval),
        interval: Some(interval),
        series_id: task.series_id.or(Some(task.id)),
        max_attempts: task.max_attempts,
        timeout: task.timeout,
        backoff: task.backoff,
        unique_key: task.unique_key.clone(),
        headers: task.headers.clone(),
        ..NewTask::new(task.name.clone(), task.queue.clone(), task.payload.clone())
    })
}
