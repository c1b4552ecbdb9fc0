//! What the questions enqueue, claim and settle, and when.

use std::time::Duration;

use omniq_core::settle::{Outcome, settle};
use omniq_core::storage::{ClaimFilter, ClaimRequest};
use omniq_core::{
    Change, Due, Format, NewTask, OwnerId, Payload, Task, TaskError, TaskId, Timestamp,
};

/// The time at which questions begin.
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

/// The queue that is the questions' own.
pub(crate) const HERE: &str = "here";

/// How long a lease is, unless the question says otherwise.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// So many seconds after [`NOW`]; before it, if negative.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1_000_000)
}

pub(crate) fn owner(number: i64) -> OwnerId {
    OwnerId::from_i64(number).expect("a positive number")
}

/// An id that no storage has given out yet.
pub(crate) fn unknown_id() -> TaskId {
    TaskId::from_i64(i64::MAX).expect("a positive number")
}

/// A task of this name that is due at once.
pub(crate) fn order(name: &str) -> NewTask {
    let payload = Payload::new(Format::Json, br#"{"args":[1],"kwargs":{}}"#.to_vec());
    NewTask::new(name, HERE, payload)
}

pub(crate) fn order_with(name: &str, change: impl FnOnce(&mut NewTask)) -> NewTask {
    let mut order = order(name);
    change(&mut order);
    order
}

pub(crate) fn due_at(name: &str, eta: Timestamp) -> NewTask {
    order_with(name, |order| order.eta = Due::At(eta))
}

pub(crate) fn keyed(name: &str, key: &str) -> NewTask {
    order_with(name, |order| order.unique_key = Some(key.to_owned()))
}

/// A claim of one of our own tasks.
pub(crate) fn wish(now: Timestamp) -> ClaimRequest {
    wish_for(ClaimFilter::any().queues([HERE]), now)
}

pub(crate) fn wish_for(filter: ClaimFilter, now: Timestamp) -> ClaimRequest {
    ClaimRequest::new(owner(1), filter, now, LEASE)
}

pub(crate) fn value(text: &str) -> Payload {
    Payload::new(Format::Json, text.as_bytes().to_vec())
}

/// A success that asks for these tasks.
pub(crate) fn success(task: &Task, then: Vec<NewTask>) -> Change {
    let result = value("42");
    settle(task, Outcome::Succeeded { result, then }, NOW, 0.5).expect("a running task may succeed")
}

pub(crate) fn release(task: &Task) -> Change {
    settle(task, Outcome::Released, NOW, 0.5).expect("a running task may be released")
}

/// A failure after which the task waits for as long as it says.
pub(crate) fn broke(task: &Task, error: TaskError) -> Change {
    settle(task, Outcome::Failed(error), NOW, 0.5).expect("a running task may break")
}

pub(crate) fn failure(task: &Task) -> Change {
    broke(task, TaskError::fatal("no use"))
}
