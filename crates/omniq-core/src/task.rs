use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Backoff, Due, OwnerId, Payload, Progress, Schedule, TaskError, TaskId, TaskResult, TaskStatus,
    Timestamp,
};

/// A task as a storage keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Task {
    /// Its name for good.
    pub id: TaskId,
    /// What to run: the handler's name.
    pub name: String,
    /// The line it stands in.
    pub queue: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// Higher first.
    pub priority: i32,
    /// Not before this time.
    pub eta: Timestamp,
    /// The span from a run's finish to the next run, for a task that repeats.
    pub interval: Option<Duration>,
    /// The first task of the series, for a task that repeats.
    pub series_id: Option<TaskId>,
    /// Executions so far: +1 at each claim, −1 at a refund.
    pub attempts: u32,
    /// The total number of executions.
    pub max_attempts: u32,
    /// How often an owner died or fell silent while this ran.
    pub crashes: u32,
    /// The time limit of one attempt.
    pub timeout: Option<Duration>,
    /// The wait between attempts.
    pub backoff: Backoff,
    /// While an unfinished task of this name holds the key, no second one is enqueued.
    pub unique_key: Option<String>,
    /// The number of the last claim. It only goes up.
    pub lease: u64,
    /// Who holds the lease. A cancelled task keeps its owner until that one lets go.
    pub owner: Option<OwnerId>,
    /// Zero for a task that may run; anything else holds it back.
    #[serde(alias = "holds")]
    pub hold_count: u32,
    /// Small texts that travel with the task.
    pub headers: BTreeMap<String, String>,
    /// Its arguments.
    pub payload: Payload,
    /// When it was enqueued.
    pub enqueued_at: Timestamp,
    /// When it was last claimed.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What the handler returned.
    pub result: Option<Payload>,
    /// The failed attempts, oldest first: the last 20.
    pub errors: Vec<TaskError>,
    /// How far the last attempt was, if its handler told. A new claim and a requeue forget it.
    pub progress: Option<Progress>,
}

/// How many failed attempts of a task are kept.
pub const KEPT_ERRORS: usize = 20;

impl Task {
    /// A new task's record, as every storage begins it.
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

    /// When it runs: once, or again and again.
    pub fn schedule(&self) -> Schedule {
        self.interval
            .map_or(Schedule::Once(self.eta), Schedule::Every)
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<TaskResult> {
        let failed = self.status == TaskStatus::Failed;
        self.status.is_finished().then(|| TaskResult {
            task_id: self.id,
            status: self.status,
            value: self.result.clone(),
            error: self.errors.last().filter(|_| failed).cloned(),
            attempts: self.attempts,
            finished_at: self.finished_at.unwrap_or(self.enqueued_at),
        })
    }

    /// Whether it keeps its unique key from others: until it is finished and nobody runs it any more.
    pub fn holds_unique_key(&self) -> bool {
        !self.status.is_finished() || self.owner.is_some()
    }
}

/// A task that is to be enqueued: an order with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NewTask {
    /// What to run.
    pub name: String,
    /// The line it is to stand in.
    pub queue: String,
    /// Its arguments.
    pub payload: Payload,
    /// Higher first.
    pub priority: i32,
    /// Not before this.
    pub eta: Due,
    /// The span from a run's finish to the next run.
    pub interval: Option<Duration>,
    /// The series that this one continues.
    pub series_id: Option<TaskId>,
    /// The total number of executions.
    pub max_attempts: u32,
    /// The time limit of one attempt.
    pub timeout: Option<Duration>,
    /// The wait between attempts.
    pub backoff: Backoff,
    /// Held by at most one unfinished task of this name.
    pub unique_key: Option<String>,
    /// Zero for a task that may run.
    pub hold_count: u32,
    /// Small texts that travel with the task.
    pub headers: BTreeMap<String, String>,
}

impl NewTask {
    /// A task that is due at once, with the defaults of [`CoreSettings`](crate::CoreSettings).
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

    /// Whether the other differs from this in the bytes of its payload only, so that a storage can write both
    /// with one statement.
    pub fn is_like(&self, other: &Self) -> bool {
        // Every field is named here, so that a new one is not forgotten.
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
