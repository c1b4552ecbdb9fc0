//! Questions about the effects of changes.

use omniq_core::settle::reschedule;
use omniq_core::storage::{KEPT_ERRORS, TaskFilter};
use omniq_core::{Change, Due, Task, TaskError, TaskStatus, Timestamp};

use crate::Fixture;
use crate::builders::{
    NOW, SECOND, at, cancel_change, failed_attempt, failure, order, order_with, release, request,
    requeue_change, success, value,
};
use crate::exam::guard::{assert_rejected, full_change};

pub(crate) async fn a_success_is_stored_with_all_its_effects(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    let then = vec![
        order("follow-up"),
        order_with("follow-up", |new| new.eta = Due::In(SECOND)),
    ];
    let mut change = success(&task, then);
    change.error = Some(TaskError::new("odd", "an error with a result"));
    fixture.apply(change.clone(), at(4)).await;

    let mut expected = task.clone();
    expected.status = TaskStatus::Success;
    expected.owner = None;
    expected.finished_at = Some(at(4));
    expected.result = Some(value("42"));
    expected.errors = vec![TaskError::new("odd", "an error with a result")];
    assert_eq!(fixture.task(task.id).await, expected);
    let found = fixture
        .first
        .list_tasks(TaskFilter::new().name("follow-up"))
        .await
        .expect("list");
    let etas: Vec<_> = found.iter().map(|t| (t.enqueued_at, t.eta)).collect();
    assert_eq!(etas, [(at(4), at(4)), (at(4), at(5))]);
    assert_eq!(
        fixture.claimed_ids(request(at(4)).limit(9)).await,
        [found[0].id]
    );
}

pub(crate) async fn a_retry_waits_and_stores_its_error(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    let change = failed_attempt(&task, TaskError::retry_after(SECOND * 8));
    fixture.apply(change.clone(), at(2)).await;
    let mut expected = task.clone();
    expected.status = TaskStatus::Pending;
    expected.owner = None;
    expected.eta = at(10);
    expected.errors = change.error.into_iter().collect();
    let stored = fixture.task(task.id).await;
    // The wait that the handler requested is not stored.
    let error_fields = |task: &Task| {
        task.errors
            .iter()
            .map(|e| (e.timestamp, e.retry_count, e.message.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(error_fields(&stored), error_fields(&expected));
    expected.errors.clone_from(&stored.errors);
    assert_eq!(stored, expected);
    assert_eq!(
        fixture.claimed_ids(request(Timestamp(at(10).0 - 1))).await,
        []
    );
    assert_eq!(fixture.claim_one(at(10)).await.attempts, 2);
}

pub(crate) async fn a_failure_is_final(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    let error = TaskError::fatal("no use").with_traceback("caused by: ä\nnot b");
    let change = failed_attempt(&task, error);
    fixture.apply(change.clone(), at(2)).await;
    let mut expected = task.clone();
    expected.status = TaskStatus::Failed;
    expected.owner = None;
    expected.finished_at = Some(at(2));
    expected.errors = change.error.into_iter().collect();
    assert_eq!(fixture.task(task.id).await, expected);
    assert_eq!(fixture.claimed_ids(request(at(1_000))).await, []);
}

pub(crate) async fn a_release_refunds_the_attempt(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    fixture.apply(release(&task), at(2)).await;
    let mut expected = task.clone();
    expected.status = TaskStatus::Pending;
    expected.owner = None;
    expected.attempts = 0;
    assert_eq!(
        fixture.task(task.id).await,
        expected,
        "its eta and lease stay"
    );
    let again = fixture.claim_one(NOW).await;
    assert_eq!((again.attempts, again.lease), (1, 2));
}

pub(crate) async fn a_cancel_of_a_pending_task_is_final(fixture: Fixture) {
    let id = fixture.add(order("a")).await;
    let later = fixture
        .add(order_with("a", |new| new.eta = Due::At(at(9))))
        .await;
    for id in [id, later] {
        let mut expected = fixture.task(id).await;
        fixture.apply(cancel_change(&expected), at(1)).await;
        expected.status = TaskStatus::Cancelled;
        expected.finished_at = Some(at(1));
        assert_eq!(fixture.task(id).await, expected);
    }
    assert_eq!(fixture.claimed_ids(request(at(1_000))).await, []);
}

pub(crate) async fn a_cancel_of_a_running_task_keeps_its_owner(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    fixture.apply(cancel_change(&task), at(1)).await;
    let mut expected = task.clone();
    expected.status = TaskStatus::Cancelled;
    expected.finished_at = Some(at(1));
    assert_eq!(fixture.task(task.id).await, expected);
    assert_rejected(&fixture, full_change(&task)).await;

    // A requeue is rejected until the owner releases the task.
    let mut released = expected.clone();
    released.owner = None;
    let early = requeue_change(&released);
    assert_rejected(&fixture, early.clone()).await;
    fixture.apply(Change::release_cancelled(&task), at(2)).await;
    assert_eq!(
        fixture.task(task.id).await,
        released,
        "it finished when it was cancelled"
    );
    fixture.apply(early, at(3)).await;
}

pub(crate) async fn a_requeue_restarts_the_task(fixture: Fixture) {
    let task = fixture
        .running(order_with("a", |new| new.eta = Due::At(at(-9))))
        .await;
    let mut change = failure(&task);
    change.crashes = Some(2);
    change.result = Some(value("0"));
    fixture.apply(change, at(1)).await;
    let mut expected = fixture.task(task.id).await;
    fixture.apply(requeue_change(&expected), at(5)).await;
    expected.status = TaskStatus::Pending;
    (expected.attempts, expected.crashes) = (0, 0);
    expected.eta = at(5);
    (expected.finished_at, expected.result) = (None, None);
    assert_eq!(
        fixture.task(task.id).await,
        expected,
        "its errors and lease stay"
    );
    assert_eq!(expected.errors.len(), 1);
    let again = fixture.claim_one(at(5)).await;
    assert_eq!((again.attempts, again.lease), (1, 2));
}

pub(crate) async fn a_reschedule_moves_the_eta(fixture: Fixture) {
    let first = fixture.add(order("a")).await;
    let second = fixture
        .add(order_with("a", |new| new.eta = Due::At(at(60))))
        .await;
    let to = async |id, due| {
        let mut expected = fixture.task(id).await;
        let change = reschedule(&expected, due)
            .into_change()
            .expect("a pending task may be rescheduled");
        fixture.apply(change, at(1)).await;
        expected.eta = due.resolve(at(1));
        assert_eq!(fixture.task(id).await, expected);
    };
    to(first, Due::At(at(30))).await;
    to(second, Due::In(SECOND)).await;
    let found = fixture
        .first
        .claim(request(at(1)).limit(2))
        .await
        .expect("claim");
    assert_eq!(
        (found.tasks.len(), found.next_due),
        (0, Some(at(2))),
        "no longer due"
    );
    assert_eq!(fixture.claimed_ids(request(at(2)).limit(2)).await, [second]);
    to(first, Due::At(at(-60))).await;
    assert_eq!(
        fixture.claimed_ids(request(at(-90)).limit(2)).await,
        [first],
        "due since the write"
    );
}

pub(crate) async fn the_last_errors_are_stored(fixture: Fixture) {
    let id = fixture
        .add(order_with("a", |new| new.max_attempts = 100))
        .await;
    let mut settled_errors = Vec::new();
    for round in 0..KEPT_ERRORS + 5 {
        let task = fixture.claim_one(NOW).await;
        let long = format!("{round} {}", "ä".repeat(20_000));
        let mut error = TaskError::new("odd", long.as_str()).with_traceback(long);
        if round % 2 == 0 {
            error.traceback = None;
        }
        let mut change = failed_attempt(&task, error);
        change.eta = Some(Due::At(NOW));
        settled_errors.extend(change.error.clone());
        fixture.apply(change, NOW).await;
    }
    let task = fixture.task(id).await;
    assert_eq!(task.errors, settled_errors[5..]);
    for error in &task.errors {
        let length = error.message.len() + error.traceback.as_ref().map_or(0, String::len);
        assert!(length <= 8 * 1024, "{length}");
    }
}

/// JSON's `null` is a value, and not a missing one.
pub(crate) async fn null_is_a_payload_and_a_result(fixture: Fixture) {
    let task = fixture
        .running(order_with("a", |new| new.payload = value("null")))
        .await;
    assert_eq!(task.payload, value("null"));
    let mut change = success(&task, vec![]);
    change.result = Some(value("null"));
    fixture.apply(change, at(4)).await;
    let stored = fixture.task(task.id).await;
    assert_eq!(stored.payload, value("null"));
    assert_eq!(stored.result, Some(value("null")));
}
