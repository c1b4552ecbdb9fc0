//! Builds the tasks, claims and changes of the questions.

use std::time::Duration;

use omniq_core::settle::{Outcome, cancel, requeue, settle};
use omniq_core::storage::{ClaimFilter, ClaimRequest};
use omniq_core::{
    Change, Due, Format, NewTask, OwnerId, Payload, Task, TaskError, TaskId, Timestamp,
};

/// The time at the beginning of each question.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

/// The queue of the questions. Bystanders are in another one.
pub(crate) const QUEUE: &str = "here";

/// The length of a lease, unless the question sets another.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Returns the time that is this many seconds after [`NOW`], or before it if negative.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1_000_000)
}

pub(crate) fn owner(number: i64) -> OwnerId {
    OwnerId::from_i64(number).expect("a positive number")
}

/// Returns an id that no storage has assigned.
pub(crate) fn unknown_id() -> TaskId {
    TaskId::from_i64(i64::MAX).expect("a positive number")
}

/// Returns a task with this name that is due immediately.
pub(crate) fn order(name: &str) -> NewTask {
    let payload = Payload::new(Format::Json, br#"{"args":[1],"kwargs":{}}"#.to_vec());
    NewTask::new(name, QUEUE, payload)
}

pub(crate) fn order_with(name: &str, change: impl FnOnce(&mut NewTask)) -> NewTask {
    let mut order = order(name);
    change(&mut order);
    order
}

pub(crate) fn due_at(name: &str, eta: Timestamp) -> NewTask {
    order_with(name, |order| order.eta = Due::At(eta))
}

pub(crate) fn with_key(name: &str, key: &str) -> NewTask {
    order_with(name, |order| order.unique_key = Some(key.to_owned()))
}

/// Returns a claim of one task of the questions' queue.
pub(crate) fn request(now: Timestamp) -> ClaimRequest {
    request_for(ClaimFilter::any().queues([QUEUE]), now)
}

pub(crate) fn request_for(filter: ClaimFilter, now: Timestamp) -> ClaimRequest {
    ClaimRequest::new(owner(1), filter, now, LEASE)
}

pub(crate) fn value(text: &str) -> Payload {
    Payload::new(Format::Json, text.as_bytes().to_vec())
}

/// Returns the success of a running task, with these follow-up tasks.
pub(crate) fn success(task: &Task, then: Vec<NewTask>) -> Change {
    let result = value("42");
    settle(task, Outcome::Succeeded { result, then }, NOW, 0.5).expect("a running task may succeed")
}

pub(crate) fn release(task: &Task) -> Change {
    settle(task, Outcome::Released, NOW, 0.5).expect("a running task may be released")
}

/// Returns the change for an attempt that failed with this error.
pub(crate) fn failed_attempt(task: &Task, error: TaskError) -> Change {
    settle(task, Outcome::Failed(error), NOW, 0.5).expect("a running task may fail")
}

pub(crate) fn failure(task: &Task) -> Change {
    failed_attempt(task, TaskError::fatal("no use"))
}

pub(crate) fn cancel_change(task: &Task) -> Change {
    cancel(task)
        .into_change()
        .expect("an unfinished task may be cancelled")
}

pub(crate) fn requeue_change(task: &Task) -> Change {
    requeue(task)
        .into_change()
        .expect("a task that failed or was cancelled, and has no owner, may be requeued")
}
