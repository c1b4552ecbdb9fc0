//! Decides what is written: turns an outcome, a takeover or a caller's request into one [`Change`].

use crate::lifecycle::{Transition, apply, next};
use crate::storage::Orphan;
use crate::{
    Backoff, Due, NewTask, Payload, Result, Task, TaskError, TaskId, TaskStatus, Timestamp,
};

/// The outcome of one execution.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The handler returned a value, and requests follow-up tasks in the same write.
    Succeeded {
        /// The serialized value.
        result: Payload,
        /// The follow-up tasks.
        then: Vec<NewTask>,
    },
    /// The attempt failed.
    Failed(TaskError),
    /// The task is released as if it had not been claimed.
    Released,
    /// The lease is not held any more. If the task was cancelled, its owner releases it.
    LeaseLost,
}

/// One guarded write: it is applied atomically if the task still has this status and lease, and is rejected
/// otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The task.
    pub id: TaskId,
    /// The guard: the status that the task must have.
    pub expect: TaskStatus,
    /// The guard: the lease number that the task must have.
    pub lease: u64,
    /// The new status.
    pub status: TaskStatus,
    /// The new number of attempts. `None` leaves it as it is in the storage: a change that is decided without a lease
    /// may have read an old number.
    pub attempts: Option<u32>,
    /// The new number of crashes. `None` leaves it as it is in the storage.
    pub crashes: Option<u32>,
    /// The new eta. `None` leaves the eta unchanged, and a due task due.
    pub eta: Option<Due>,
    /// Whether the owner stays until it releases the task. A running task that is cancelled keeps its owner.
    pub keep_owner: bool,
    /// The result to store.
    pub result: Option<Payload>,
    /// The error to add to the stored ones.
    pub error: Option<TaskError>,
    /// The follow-up tasks to enqueue in the same write. One whose unique key or series is taken is left out.
    pub then: Vec<NewTask>,
}

impl Change {
    /// Returns the change of a transition.
    fn by_transition(task: &Task, transition: Transition) -> Result<Self> {
        let status = apply(task.status, transition)?;
        let mut change = Self::of_status(task, task.status, status);
        // The lease guards these numbers: nobody else changes them while a task runs.
        change.attempts = Some(task.attempts);
        change.crashes = Some(task.crashes);
        Ok(change)
    }

    /// Returns the change that releases a cancelled task from the owner that ran it. Its unique key becomes free,
    /// and it can be requeued. It changes the owner only, and is rejected if the task has none.
    pub fn release_cancelled(task: &Task) -> Self {
        Self::of_status(task, TaskStatus::Cancelled, TaskStatus::Cancelled)
    }

    /// Returns a change that changes nothing but the status and the owner.
    fn of_status(task: &Task, expect: TaskStatus, status: TaskStatus) -> Self {
        Self {
            id: task.id,
            expect,
            lease: task.lease,
            status,
            attempts: None,
            crashes: None,
            eta: None,
            keep_owner: false,
            result: None,
            error: None,
            then: Vec::new(),
        }
    }

    /// Returns the change that fails the task, if the storage can't store this one because of its values.
    ///
    /// # Errors
    ///
    /// Of kind `InvalidState`, if this change does not end an execution.
    pub fn failed_instead(&self, error: TaskError, now: Timestamp) -> Result<Self> {
        Ok(Self {
            status: apply(self.expect, Transition::GiveUp)?,
            eta: None,
            result: None,
            error: Some(error.settled(now, self.attempts.unwrap_or(1).saturating_sub(1))),
            then: Vec::new(),
            ..self.clone()
        })
    }

    /// Returns whether the change only releases a cancelled task from its owner.
    pub fn releases_cancelled(&self) -> bool {
        (self.expect, self.status) == (TaskStatus::Cancelled, TaskStatus::Cancelled)
    }

    /// Returns whether the change leaves a task to claim, now or later.
    pub fn adds_work(&self) -> bool {
        self.status == TaskStatus::Pending || !self.then.is_empty()
    }
}

/// Returns the one write that records the outcome of an execution of `task` (as it was claimed). `random` is a
/// random number from 0 to 1.
///
/// # Errors
///
/// Of kind `InvalidState`, if the task is not running.
pub fn settle(task: &Task, outcome: Outcome, now: Timestamp, random: f64) -> Result<Change> {
    match outcome {
        Outcome::Succeeded { result, then } => {
            let mut change = Change::by_transition(task, Transition::Succeed)?;
            change.result = Some(result);
            change.then = then;
            change.then.extend(next_run(task));
            Ok(change)
        }
        Outcome::Failed(error) => failed(task, error, now, random),
        Outcome::Released => {
            let mut change = Change::by_transition(task, Transition::Release)?;
            change.attempts = Some(task.attempts.saturating_sub(1));
            Ok(change)
        }
        Outcome::LeaseLost => Ok(Change::release_cancelled(task)),
    }
}

fn failed(task: &Task, error: TaskError, now: Timestamp, random: f64) -> Result<Change> {
    let is_retried = error.is_retryable && task.attempts < task.max_attempts;
    let wait = error
        .requested_wait()
        .unwrap_or_else(|| task.backoff.delay(task.attempts, random));
    let mut change = Change::by_transition(
        task,
        if is_retried {
            Transition::Retry
        } else {
            Transition::GiveUp
        },
    )?;
    change.error = Some(error.settled(now, task.attempts.saturating_sub(1)));
    if is_retried {
        change.eta = Some(Due::In(wait));
    } else {
        change.then.extend(next_run(task));
    }
    Ok(change)
}

/// Returns the one write that takes a task over from an owner that died or stopped renewing its lease. The
/// attempt is refunded. If the handler had started, the crash is counted, and the task fails at the
/// `max_crashes`th one. `random` is a random number from 0 to 1.
///
/// # Errors
///
/// Of kind `InvalidState`, if the task is neither running nor cancelled.
pub fn take_over(orphan: &Orphan, max_crashes: u32, now: Timestamp, random: f64) -> Result<Change> {
    let task = &orphan.task;
    if task.status == TaskStatus::Cancelled {
        return Ok(Change::release_cancelled(task));
    }
    let crashes = task.crashes.saturating_add(u32::from(orphan.started));
    let is_last = orphan.started && crashes >= max_crashes.max(1);
    let mut change = Change::by_transition(
        task,
        if is_last {
            Transition::GiveUp
        } else {
            Transition::Release
        },
    )?;
    let attempts = task.attempts.saturating_sub(1);
    change.attempts = Some(attempts);
    change.crashes = Some(crashes);
    if is_last {
        let text = format!(
            "its owner was lost {crashes} time(s) while it ran ({})",
            orphan.reason
        );
        let error = TaskError::new("crash", text).with_retryable(false);
        change.error = Some(error.settled(now, attempts));
        change.then.extend(next_run(task));
    } else if orphan.started {
        change.eta = Some(Due::In(Backoff::default().delay(crashes, random)));
    }
    Ok(change)
}

/// The decision on a caller's request for a task as it is now.
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
    /// Returns the change that carries the request out, if there is one.
    pub fn into_change(self) -> Option<Change> {
        match self {
            Self::Write(change) => Some(*change),
            Self::NotAllowed | Self::StillHeld => None,
        }
    }

    /// Decides by the task's status. `complete` adds to the change.
    fn of(task: &Task, transition: Transition, complete: impl FnOnce(&mut Change)) -> Self {
        let Some(status) = next(task.status, transition) else {
            return Self::NotAllowed;
        };
        let mut change = Change::of_status(task, task.status, status);
        complete(&mut change);
        Self::Write(Box::new(change))
    }
}

/// Decides on a request to cancel a task. A running task keeps its owner until its handler has stopped.
pub fn cancel(task: &Task) -> Decision {
    let keep_owner = task.status == TaskStatus::Running;
    Decision::of(task, Transition::Cancel, |change| {
        change.keep_owner = keep_owner;
    })
}

/// Decides on a request to run a pending task at another time.
pub fn reschedule(task: &Task, eta: Due) -> Decision {
    Decision::of(task, Transition::Reschedule, |change| {
        change.eta = Some(eta);
    })
}

/// Decides on a request to run a task that failed or was cancelled again from the beginning.
pub fn requeue(task: &Task) -> Decision {
    let decision = Decision::of(task, Transition::Requeue, |change| {
        change.attempts = Some(0);
        change.crashes = Some(0);
        change.eta = Some(Due::NOW);
    });
    match decision {
        Decision::Write(_) if task.owner.is_some() => Decision::StillHeld,
        decision => decision,
    }
}

/// Returns the next task of a series, which is due an interval after the finish of this one.
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
