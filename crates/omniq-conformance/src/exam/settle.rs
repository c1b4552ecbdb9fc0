use omniq_core::settle::{cancel, requeue, reschedule};
use omniq_core::storage::{KEPT_ERRORS, TaskFilter};
use omniq_core::{Change, Due, Task, TaskError, TaskStatus, Timestamp};

use crate::Scene;
use crate::exam::guard::{full, is_refused};
use crate::orders::{
    NOW, SECOND, at, broke, failure, order, order_with, release, success, value, wish,
};

pub(crate) async fn a_success_lands_with_all_its_effects(scene: Scene) {
    let task = scene.running(order("a")).await;
    let then = vec![
        order("follow-up"),
        order_with("follow-up", |new| new.eta = Due::In(SECOND)),
    ];
    let mut change = success(&task, then);
    change.error = Some(TaskError::new("odd", "an error beside a result"));
    scene.done(change.clone(), at(4)).await;

    let mut expected = task.clone();
    expected.status = TaskStatus::Success;
    expected.owner = None;
    expected.finished_at = Some(at(4));
    expected.result = Some(value("42"));
    expected.errors = vec![TaskError::new("odd", "an error beside a result")];
    assert_eq!(scene.task(task.id).await, expected);
    let found = scene
        .here
        .list_tasks(TaskFilter::new().name("follow-up"))
        .await
        .expect("list");
    let etas: Vec<_> = found.iter().map(|t| (t.enqueued_at, t.eta)).collect();
    assert_eq!(etas, [(at(4), at(4)), (at(4), at(5))]);
    assert_eq!(scene.claimed_ids(wish(at(4)).limit(9)).await, [found[0].id]);
}

pub(crate) async fn a_retry_waits_and_keeps_its_error(scene: Scene) {
    let task = scene.running(order("a")).await;
    let change = broke(&task, TaskError::retry_after(SECOND * 8));
    scene.done(change.clone(), at(2)).await;
    let mut expected = task.clone();
    expected.status = TaskStatus::Pending;
    expected.owner = None;
    expected.eta = at(10);
    expected.errors = change.error.into_iter().collect();
    let kept = scene.task(task.id).await;
    // How long its handler asked to wait is no part of the record.
    let wire = |task: &Task| {
        task.errors
            .iter()
            .map(|e| (e.timestamp, e.retry_count, e.message.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(wire(&kept), wire(&expected));
    expected.errors.clone_from(&kept.errors);
    assert_eq!(kept, expected);
    assert_eq!(scene.claimed_ids(wish(Timestamp(at(10).0 - 1))).await, []);
    assert_eq!(scene.claim_one(at(10)).await.attempts, 2);
}

pub(crate) async fn a_failure_is_final(scene: Scene) {
    let task = scene.running(order("a")).await;
    let error = TaskError::fatal("no use").with_traceback("caused by: ä\nnot b");
    let change = broke(&task, error);
    scene.done(change.clone(), at(2)).await;
    let mut expected = task.clone();
    expected.status = TaskStatus::Failed;
    expected.owner = None;
    expected.finished_at = Some(at(2));
    expected.errors = change.error.into_iter().collect();
    assert_eq!(scene.task(task.id).await, expected);
    assert_eq!(scene.claimed_ids(wish(at(1_000))).await, []);
}

pub(crate) async fn a_release_refunds_the_attempt(scene: Scene) {
    let task = scene.running(order("a")).await;
    scene.done(release(&task), at(2)).await;
    let mut expected = task.clone();
    expected.status = TaskStatus::Pending;
    expected.owner = None;
    expected.attempts = 0;
    assert_eq!(
        scene.task(task.id).await,
        expected,
        "its eta and lease stay"
    );
    let again = scene.claim_one(NOW).await;
    assert_eq!((again.attempts, again.lease), (1, 2));
}

pub(crate) async fn a_cancel_of_a_pending_task_is_final(scene: Scene) {
    let id = scene.add(order("a")).await;
    let later = scene
        .add(order_with("a", |new| new.eta = Due::At(at(9))))
        .await;
    for id in [id, later] {
        let mut expected = scene.task(id).await;
        scene
            .done(
                cancel(&expected).into_change().expect("it is pending"),
                at(1),
            )
            .await;
        expected.status = TaskStatus::Cancelled;
        expected.finished_at = Some(at(1));
        assert_eq!(scene.task(id).await, expected);
    }
    assert_eq!(scene.claimed_ids(wish(at(1_000))).await, []);
}

pub(crate) async fn a_cancel_of_a_running_task_keeps_its_owner(scene: Scene) {
    let task = scene.running(order("a")).await;
    scene
        .done(cancel(&task).into_change().expect("it is running"), at(1))
        .await;
    let mut expected = task.clone();
    expected.status = TaskStatus::Cancelled;
    expected.finished_at = Some(at(1));
    assert_eq!(scene.task(task.id).await, expected);
    is_refused(&scene, full(&task)).await;

    // A requeue waits until the owner lets go.
    let mut freed = expected.clone();
    freed.owner = None;
    let early = requeue(&freed)
        .into_change()
        .expect("a cancelled task may be requeued");
    is_refused(&scene, early.clone()).await;
    scene.done(Change::release_cancelled(&task), at(2)).await;
    assert_eq!(
        scene.task(task.id).await,
        freed,
        "it ended when it was cancelled"
    );
    scene.done(early, at(3)).await;
}

pub(crate) async fn a_requeue_begins_again(scene: Scene) {
    let task = scene
        .running(order_with("a", |new| new.eta = Due::At(at(-9))))
        .await;
    let mut change = failure(&task);
    change.crashes = 2;
    change.result = Some(value("0"));
    scene.done(change, at(1)).await;
    let mut expected = scene.task(task.id).await;
    scene
        .done(requeue(&expected).into_change().expect("it failed"), at(5))
        .await;
    expected.status = TaskStatus::Pending;
    (expected.attempts, expected.crashes) = (0, 0);
    expected.eta = at(5);
    (expected.finished_at, expected.result) = (None, None);
    assert_eq!(
        scene.task(task.id).await,
        expected,
        "its errors and lease stay"
    );
    assert_eq!(expected.errors.len(), 1);
    let again = scene.claim_one(at(5)).await;
    assert_eq!((again.attempts, again.lease), (1, 2));
}

pub(crate) async fn a_reschedule_moves_the_eta(scene: Scene) {
    let first = scene.add(order("a")).await;
    let second = scene
        .add(order_with("a", |new| new.eta = Due::At(at(60))))
        .await;
    let to = async |id, due| {
        let mut expected = scene.task(id).await;
        let change = reschedule(&expected, due)
            .into_change()
            .expect("a pending task may be rescheduled");
        scene.done(change, at(1)).await;
        expected.eta = due.resolve(at(1));
        assert_eq!(scene.task(id).await, expected);
    };
    to(first, Due::At(at(30))).await;
    to(second, Due::In(SECOND)).await;
    let found = scene.here.claim(wish(at(1)).limit(2)).await.expect("claim");
    assert_eq!(
        (found.tasks.len(), found.next_due),
        (0, Some(at(2))),
        "no longer due"
    );
    assert_eq!(scene.claimed_ids(wish(at(2)).limit(2)).await, [second]);
    to(first, Due::At(at(-60))).await;
    assert_eq!(
        scene.claimed_ids(wish(at(-90)).limit(2)).await,
        [first],
        "due since the write"
    );
}

pub(crate) async fn the_last_errors_are_kept(scene: Scene) {
    let id = scene
        .add(order_with("a", |new| new.max_attempts = 100))
        .await;
    let mut given = Vec::new();
    for round in 0..KEPT_ERRORS + 5 {
        let task = scene.claim_one(NOW).await;
        let long = format!("{round} {}", "ä".repeat(20_000));
        let mut error = TaskError::new("odd", long.as_str()).with_traceback(long);
        if round % 2 == 0 {
            error.traceback = None;
        }
        let mut change = broke(&task, error);
        change.eta = Some(Due::At(NOW));
        given.extend(change.error.clone());
        scene.done(change, NOW).await;
    }
    let task = scene.task(id).await;
    assert_eq!(task.errors, given[5..]);
    for error in &task.errors {
        let length = error.message.len() + error.traceback.as_ref().map_or(0, String::len);
        assert!(length <= 8 * 1024, "{length}");
    }
}

/// JSON's `null` is something that was said, and not the lack of it.
pub(crate) async fn nothing_is_a_payload_and_a_result(scene: Scene) {
    let task = scene
        .running(order_with("a", |new| new.payload = value("null")))
        .await;
    assert_eq!(task.payload, value("null"));
    let mut change = success(&task, vec![]);
    change.result = Some(value("null"));
    scene.done(change, at(4)).await;
    let kept = scene.task(task.id).await;
    assert_eq!(kept.payload, value("null"));
    assert_eq!(kept.result, Some(value("null")));
}
