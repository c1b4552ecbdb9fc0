//! A task, and a task that is to be enqueued.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Backoff, Due, OwnerId, Payload, Progress, Schedule, TaskError, TaskId, TaskResult, TaskStatus,
    Timestamp,
};

/// A task as it is stored.
///
/// Its serialized form has the names of these fields. `hold_count` was called `holds` once; that name is still
/// read, and no longer written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Task {
    /// The permanent id.
    pub id: TaskId,
    /// The name of the handler that runs it.
    pub name: String,
    /// The queue it is in.
    pub queue: String,
    /// The status.
    pub status: TaskStatus,
    /// Tasks with a higher priority are claimed first.
    pub priority: i32,
    /// The earliest time at which it runs.
    pub eta: Timestamp,
    /// The time from the finish of a run to the start of the next, if the task repeats.
    pub interval: Option<Duration>,
    /// The first task of the series, if the task repeats.
    pub series_id: Option<TaskId>,
    /// The number of attempts: each claim adds one, each refund takes one off.
    pub attempts: u32,
    /// The total number of attempts that the task has.
    pub max_attempts: u32,
    /// How often an owner died, or stopped renewing its lease, while this task ran.
    pub crashes: u32,
    /// The time limit of one attempt.
    pub timeout: Option<Duration>,
    /// The wait between attempts.
    pub backoff: Backoff,
    /// While an unfinished task with this name holds the key, no second one is enqueued.
    pub unique_key: Option<String>,
    /// The lease number of the last claim. It only rises.
    pub lease: u64,
    /// The owner that holds the lease. A cancelled task keeps its owner until the owner releases it.
    pub owner: Option<OwnerId>,
    /// The number of reasons why the task is held back. A task with 0 may run.
    #[serde(alias = "holds")]
    pub hold_count: u32,
    /// Small texts that are stored with the task.
    pub headers: BTreeMap<String, String>,
    /// The arguments.
    pub payload: Payload,
    /// When it was enqueued.
    pub enqueued_at: Timestamp,
    /// When it was last claimed.
    pub started_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// The value that the handler returned.
    pub result: Option<Payload>,
    /// The errors of the last 20 failed attempts, the oldest first.
    pub errors: Vec<TaskError>,
    /// The progress that the handler of the last attempt reported. A new claim and a requeue clear it.
    pub progress: Option<Progress>,
}

/// How many errors of failed attempts are stored with a task.
pub const KEPT_ERRORS: usize = 20;

impl Task {
    /// Returns the record of a new task that is enqueued at `now`.
    pub fn from_new(new: NewTask, id: TaskId, now: Timestamp) -> Self {
        Self {
            id,
            name: new.name,
            queue: new.queue,
            status: TaskStatus::Pending,
            priority: new.priority,
            eta: new.eta.resolve(now),
            series_id: new.series_id.or(new.interval.map(|_| id)),
            interval: new.interval,
            attempts: 0,
            max_attempts: new.max_attempts,
            crashes: 0,
            timeout: new.timeout,
            backoff: new.backoff,
            unique_key: new.unique_key,
            lease: 0,
            owner: None,
            hold_count: new.hold_count,
            headers: new.headers,
            payload: new.payload,
            enqueued_at: now,
            started_at: None,
            finished_at: None,
            result: None,
            errors: Vec::new(),
            progress: None,
        }
    }

    /// Returns when it runs: once, or repeatedly.
    pub fn schedule(&self) -> Schedule {
        self.interval
            .map_or(Schedule::Once(self.eta), Schedule::Every)
    }

    /// Returns how the task ended; `None` if it has not finished.
    pub fn outcome(&self) -> Option<TaskResult> {
        if !self.status.is_finished() {
            return None;
        }
        let error = match self.status {
            TaskStatus::Failed => self.errors.last().cloned(),
            _ => None,
        };
        Some(TaskResult {
            task_id: self.id,
            status: self.status,
            value: self.result.clone(),
            error,
            attempts: self.attempts,
            finished_at: self.finished_at.unwrap_or(self.enqueued_at),
        })
    }

    /// Returns whether it holds its unique key: until it has finished and no owner holds it.
    pub fn holds_unique_key(&self) -> bool {
        !self.status.is_finished() || self.owner.is_some()
    }
}

/// A task that is to be enqueued: an order with all defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NewTask {
    /// The name of the handler that runs it.
    pub name: String,
    /// The queue.
    pub queue: String,
    /// The arguments.
    pub payload: Payload,
    /// Tasks with a higher priority are claimed first.
    pub priority: i32,
    /// The earliest time at which it runs.
    pub eta: Due,
    /// The time from the finish of a run to the start of the next, if the task repeats.
    pub interval: Option<Duration>,
    /// The series that this task continues.
    pub series_id: Option<TaskId>,
    /// The total number of attempts.
    pub max_attempts: u32,
    /// The time limit of one attempt.
    pub timeout: Option<Duration>,
    /// The wait between attempts.
    pub backoff: Backoff,
    /// The key that at most one unfinished task with this name holds.
    pub unique_key: Option<String>,
    /// The number of reasons why the task is held back. A task with 0 may run.
    #[serde(alias = "holds")]
    pub hold_count: u32,
    /// Small texts that are stored with the task.
    pub headers: BTreeMap<String, String>,
}

impl NewTask {
    /// Returns a task that is due immediately, with the defaults of [`CoreSettings`](crate::CoreSettings).
    pub fn new(name: impl Into<String>, queue: impl Into<String>, payload: Payload) -> Self {
        let defaults = crate::CoreSettings::default();
        Self {
            name: name.into(),
            queue: queue.into(),
            payload,
            priority: 0,
            eta: Due::NOW,
            interval: None,
            series_id: None,
            max_attempts: defaults.max_attempts,
            timeout: defaults.timeout,
            backoff: defaults.backoff,
            unique_key: None,
            hold_count: 0,
            headers: BTreeMap::new(),
        }
    }

    /// Returns whether `other` differs from this only in the bytes of its payload, so that a storage can write
    /// both with one statement.
    pub fn is_like(&self, other: &Self) -> bool {
        // All fields are named, so that a new one can't be forgotten.
        let Self {
            name,
            queue,
            payload,
            priority,
            eta,
            interval,
            series_id,
            max_attempts,
            timeout,
            backoff,
            unique_key,
            hold_count,
            headers,
        } = self;
        (name, queue, payload.format) == (&other.name, &other.queue, other.payload.format)
            && (*priority, *eta) == (other.priority, other.eta)
            && (interval, series_id) == (&other.interval, &other.series_id)
            && (max_attempts, timeout, backoff)
                == (&other.max_attempts, &other.timeout, &other.backoff)
            && (unique_key, hold_count, headers)
                == (&other.unique_key, &other.hold_count, &other.headers)
    }
}
