use std::time::Duration;

use omniq_core::settle::{cancel, take_over};
use omniq_core::storage::{Hold, Orphan, OrphanReason, Settled, TaskFilter};
use omniq_core::{Change, Due, Task, TaskError, TaskStatus};

use crate::Scene;
use crate::orders::{NOW, at, failure, order, release, success, unknown_id, wish};
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
pub(crate) fn full(task: &Task) -> Change {
    let mut change = success(task, vec![order("follow-up")]);
    change.error = Some(TaskError::new("odd", "an error beside a result"));
    change.attempts += 5;
    change.crashes += 5;
    change.eta = Some(Due::At(at(500)));
    change
}

pub(crate) async fn is_refused(scene: &Scene, change: Change) {
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
        let mut change = cancel(&task)
            .into_change()
            .expect("a pending task may be cancelled");
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
    assert_eq!(scene.settle(change, NOW).await, Settled::NotFound);
    assert_eq!(count(&scene, "follow-up").await, 0);
    assert_eq!(scene.task(task.id).await, task);
}

pub(crate) async fn a_late_worker_changes_nothing(scene: Scene) {
    let late = scene.running(order("a")).await;
    let orphan = Orphan::new(late.clone(), OrphanReason::LeaseExpired, false);
    let change = take_over(&orphan, 3, NOW, 0.5).expect("a running task may be taken over");
    scene.done(change.clone(), NOW).await;
    is_refused(&scene, full(&late)).await;
    is_refused(&scene, change).await;
    let task = scene.claim_one(NOW).await;
    for change in [
        full(&late),
        release(&late),
        failure(&late),
        cancel(&late).into_change().expect("it ran"),
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
        cancel(&tasks[2]).into_change().expect("it is running"),
    ];
    let answers = scene.here.settle(batch, NOW).await.expect("settle");
    let done = Settled::Applied;
    assert_eq!(
        answers,
        [done, moved(&tasks[1]), done, Settled::NotFound, done, done]
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
    assert_eq!(answers, [Settled::Applied, moved(&ended)]);
    assert_eq!(scene.settle(change, at(9)).await, moved(&ended));
    assert_eq!(scene.task(task.id).await, ended);
    assert_eq!(count(&scene, "then").await, 1);
}

pub(crate) async fn a_change_from_another_handle_counts(scene: Scene) {
    let task = scene.running(order("a")).await;
    let ours = success(&task, vec![]);
    let theirs = scene.there.settle(vec![failure(&task)], NOW).await;
    assert_eq!(theirs.expect("settle"), [Settled::Applied]);
    is_refused(&scene, ours).await;
    assert_eq!(scene.task(task.id).await.status, TaskStatus::Failed);
    let held = scene.there.renew(vec![task.lease()], Duration::ZERO).await;
    assert_eq!(held.expect("renew"), [Hold::Lost]);
}
