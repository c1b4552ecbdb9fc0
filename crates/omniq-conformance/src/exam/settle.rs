use std::time::Duration;

use omniq_core::settle::{cancel, requeue, reschedule, take_over};
use omniq_core::storage::{KEPT_ERRORS, Orphan, OrphanReason, Settled, TaskFilter};
use omniq_core::{Change, Due, Task, TaskError, TaskStatus, Timestamp};

use crate::Scene;
use crate::orders::{
    NOW, SECOND, at, broke, failure, order, order_with, release, success, unknown_id, value, wish,
};
use crate::scene::moved;

/// How many tasks there are of this name.
async fn count(scene: &Scene, name: &str) -> usize {
    let filter = TaskFilter::new().name(name);
    scene
        .here
        .list_tasks(filter)
        .await
        .expect("list_tasks")
        .len()
}

/// A change with every effect there is.
fn full(task: &Task) -> Change {
    let mut change = success(task, vec![order("follow-up")]);
    change.error = Some(TaskError::new("odd", "an error beside a result"));
    change.attempts += 5;
    change.crashes += 5;
    change.eta = Some(Due::At(at(500)));
    change
}

async fn is_refused(scene: &Scene, change: Change) {
    let before = scene.task(change.id).await;
    assert_eq!(scene.settle(change, at(1)).await, moved(&before));
    assert_eq!(scene.task(before.id).await, before);
    assert_eq!(count(scene, "follow-up").await, 0, "none of its effects");
}

pub(crate) async fn a_wrong_lease_changes_nothing(scene: Scene) {
    let first = scene.running(order("a")).await;
    scene.done(release(&first), NOW).await;
    let task = scene.claim_one(NOW).await;
    for lease in [first.lease, 0, task.lease + 1, u64::MAX >> 1] {
        let mut change = full(&task);
        change.lease = lease;
        is_refused(&scene, change).await;
    }
    scene.done(full(&task), NOW).await;
}

pub(crate) async fn a_wrong_status_changes_nothing(scene: Scene) {
    let id = scene.add(order("a")).await;
    let mut task = scene.task(id).await;
    let others = |status| TaskStatus::ALL.into_iter().filter(move |s| *s != status);
    for expect in others(TaskStatus::Pending) {
        let mut change = cancel(&task).expect("a pending task may be cancelled");
        change.expect = expect;
        change.then = vec![order("follow-up")];
        is_refused(&scene, change).await;
    }
    task = scene.claim_one(NOW).await;
    for expect in others(TaskStatus::Running) {
        let mut change = full(&task);
        change.expect = expect;
        is_refused(&scene, change).await;
    }
    let late = full(&task);
    scene.done(failure(&task), NOW).await;
    is_refused(&scene, late).await;
}

pub(crate) async fn an_unknown_task_is_gone(scene: Scene) {
    let task = scene.running(order("a")).await;
    let mut change = full(&task);
    change.id = unknown_id();
    assert_eq!(scene.settle(change, NOW).await, Settled::Gone);
    assert_eq!(count(&scene, "follow-up").await, 0);
    assert_eq!(scene.task(task.id).await, task);
}

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
            .done(cancel(&expected).expect("it is pending"), at(1))
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
        .done(cancel(&task).expect("it is running"), at(1))
        .await;
    let mut expected = task.clone();
    expected.status = TaskStatus::Cancelled;
    expected.finished_at = Some(at(1));
    assert_eq!(scene.task(task.id).await, expected);
    is_refused(&scene, full(&task)).await;

    // A requeue waits until the owner lets go.
    let mut freed = expected.clone();
    freed.owner = None;
    let early = requeue(&freed).expect("a cancelled task may be requeued");
    is_refused(&scene, early.clone()).await;
    scene.done(Change::let_go(&task), at(2)).await;
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
        .done(requeue(&expected).expect("it failed"), at(5))
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
        let change = reschedule(&expected, due).expect("a pending task may be rescheduled");
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

pub(crate) async fn a_late_worker_changes_nothing(scene: Scene) {
    let late = scene.running(order("a")).await;
    let orphan = Orphan {
        task: late.clone(),
        reason: OrphanReason::LeaseOver,
        started: false,
    };
    let change = take_over(&orphan, 3, NOW, 0.5).expect("a running task may be taken over");
    scene.done(change.clone(), NOW).await;
    is_refused(&scene, full(&late)).await;
    is_refused(&scene, change).await;
    let task = scene.claim_one(NOW).await;
    for change in [
        full(&late),
        release(&late),
        failure(&late),
        cancel(&late).expect("it ran"),
    ] {
        is_refused(&scene, change).await;
    }
    scene.done(success(&task, vec![]), NOW).await;
    is_refused(&scene, full(&late)).await;
}

pub(crate) async fn a_batch_is_answered_in_order(scene: Scene) {
    scene.enqueue(vec![order("a"); 5], NOW).await;
    let tasks = scene.claim(wish(NOW).limit(5)).await;
    let mut wrong = full(&tasks[1]);
    wrong.lease += 1;
    let mut unknown = full(&tasks[2]);
    unknown.id = unknown_id();
    let batch = vec![
        success(&tasks[0], vec![order("then")]),
        wrong,
        failure(&tasks[4]),
        unknown,
        release(&tasks[3]),
        cancel(&tasks[2]).expect("it is running"),
    ];
    let answers = scene.here.settle(batch, NOW).await.expect("settle");
    let done = Settled::Done;
    assert_eq!(
        answers,
        [done, moved(&tasks[1]), done, Settled::Gone, done, done]
    );
    use TaskStatus::{Cancelled, Failed, Pending, Running, Success};
    for (task, status) in tasks
        .iter()
        .zip([Success, Running, Cancelled, Pending, Failed])
    {
        assert_eq!(scene.task(task.id).await.status, status);
    }
    assert_eq!(
        (
            count(&scene, "then").await,
            count(&scene, "follow-up").await
        ),
        (1, 0)
    );
}

pub(crate) async fn the_same_change_twice_happens_once(scene: Scene) {
    let task = scene.running(order("a")).await;
    let change = success(&task, vec![order("then")]);
    let batch = vec![change.clone(), change.clone()];
    let answers = scene.here.settle(batch, NOW).await.expect("settle");
    let ended = scene.task(task.id).await;
    assert_eq!(answers, [Settled::Done, moved(&ended)]);
    assert_eq!(scene.settle(change, at(9)).await, moved(&ended));
    assert_eq!(scene.task(task.id).await, ended);
    assert_eq!(count(&scene, "then").await, 1);
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

pub(crate) async fn a_change_from_another_handle_counts(scene: Scene) {
    let task = scene.running(order("a")).await;
    let ours = success(&task, vec![]);
    let theirs = scene.there.settle(vec![failure(&task)], NOW).await;
    assert_eq!(theirs.expect("settle"), [Settled::Done]);
    is_refused(&scene, ours).await;
    assert_eq!(scene.task(task.id).await.status, TaskStatus::Failed);
    let held = scene.there.renew(vec![task.lease()], Duration::ZERO).await;
    assert_eq!(held.expect("renew"), [omniq_core::storage::Hold::Lost]);
}
