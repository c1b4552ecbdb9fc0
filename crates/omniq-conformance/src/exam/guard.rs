//! Questions about the guard of changes: status and lease.

use std::time::Duration;

use omniq_core::settle::{cancel, requeue, reschedule, take_over};
use omniq_core::storage::{Hold, Orphan, OrphanReason, Settled, TaskFilter};
use omniq_core::{Change, Due, Task, TaskError, TaskStatus};

use crate::Fixture;
use crate::builders::{
    NOW, at, cancel_change, failed_attempt, failure, order, order_with, release, request, success,
    unknown_id,
};
use crate::fixture::stale;

/// Counts the tasks with this name.
async fn count(fixture: &Fixture, name: &str) -> usize {
    let filter = TaskFilter::new().name(name);
    fixture
        .first
        .list_tasks(filter)
        .await
        .expect("list_tasks")
        .len()
}

/// Returns a change with every possible effect.
pub(crate) fn full_change(task: &Task) -> Change {
    let mut change = success(task, vec![order("follow-up")]);
    change.error = Some(TaskError::new("odd", "an error with a result"));
    change.attempts = change.attempts.map(|attempts| attempts + 5);
    change.crashes = change.crashes.map(|crashes| crashes + 5);
    change.eta = Some(Due::At(at(500)));
    change
}

pub(crate) async fn assert_rejected(fixture: &Fixture, change: Change) {
    let before = fixture.task(change.id).await;
    assert_eq!(fixture.settle(change, at(1)).await, stale(&before));
    assert_eq!(fixture.task(before.id).await, before);
    assert_eq!(
        count(fixture, "follow-up").await,
        0,
        "a rejected change has no effects"
    );
}

pub(crate) async fn a_wrong_lease_changes_nothing(fixture: Fixture) {
    let first = fixture.running(order("a")).await;
    fixture.apply(release(&first), NOW).await;
    let task = fixture.claim_one(NOW).await;
    for lease in [first.lease, 0, task.lease + 1, u64::MAX >> 1] {
        let mut change = full_change(&task);
        change.lease = lease;
        assert_rejected(&fixture, change).await;
    }
    fixture.apply(full_change(&task), NOW).await;
}

pub(crate) async fn a_wrong_status_changes_nothing(fixture: Fixture) {
    let id = fixture.add(order("a")).await;
    let mut task = fixture.task(id).await;
    let others = |status| TaskStatus::ALL.into_iter().filter(move |s| *s != status);
    for expect in others(TaskStatus::Pending) {
        let mut change = cancel_change(&task);
        change.expect = expect;
        change.then = vec![order("follow-up")];
        assert_rejected(&fixture, change).await;
    }
    task = fixture.claim_one(NOW).await;
    for expect in others(TaskStatus::Running) {
        let mut change = full_change(&task);
        change.expect = expect;
        assert_rejected(&fixture, change).await;
    }
    let late = full_change(&task);
    fixture.apply(failure(&task), NOW).await;
    assert_rejected(&fixture, late).await;
}

pub(crate) async fn an_unknown_task_is_not_found(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    let mut change = full_change(&task);
    change.id = unknown_id();
    assert_eq!(fixture.settle(change, NOW).await, Settled::NotFound);
    assert_eq!(count(&fixture, "follow-up").await, 0);
    assert_eq!(fixture.task(task.id).await, task);
}

pub(crate) async fn a_late_worker_changes_nothing(fixture: Fixture) {
    let late = fixture.running(order("a")).await;
    let orphan = Orphan::new(late.clone(), OrphanReason::LeaseExpired, false);
    let change = take_over(&orphan, 3, NOW, 0.5).expect("a running task may be taken over");
    fixture.apply(change.clone(), NOW).await;
    assert_rejected(&fixture, full_change(&late)).await;
    assert_rejected(&fixture, change).await;
    let task = fixture.claim_one(NOW).await;
    for change in [
        full_change(&late),
        release(&late),
        failure(&late),
        cancel_change(&late),
    ] {
        assert_rejected(&fixture, change).await;
    }
    fixture.apply(success(&task, vec![]), NOW).await;
    assert_rejected(&fixture, full_change(&late)).await;
}

pub(crate) async fn a_batch_is_answered_in_order(fixture: Fixture) {
    fixture.enqueue(vec![order("a"); 5], NOW).await;
    let tasks = fixture.claim(request(NOW).limit(5)).await;
    let mut wrong = full_change(&tasks[1]);
    wrong.lease += 1;
    let mut unknown = full_change(&tasks[2]);
    unknown.id = unknown_id();
    let batch = vec![
        success(&tasks[0], vec![order("then")]),
        wrong,
        failure(&tasks[4]),
        unknown,
        release(&tasks[3]),
        cancel_change(&tasks[2]),
    ];
    let answers = fixture.first.settle(batch, NOW).await.expect("settle");
    let applied = Settled::Applied;
    assert_eq!(
        answers,
        [
            applied,
            stale(&tasks[1]),
            applied,
            Settled::NotFound,
            applied,
            applied
        ]
    );
    use TaskStatus::{Cancelled, Failed, Pending, Running, Success};
    for (task, status) in tasks
        .iter()
        .zip([Success, Running, Cancelled, Pending, Failed])
    {
        assert_eq!(fixture.task(task.id).await.status, status);
    }
    assert_eq!(
        (
            count(&fixture, "then").await,
            count(&fixture, "follow-up").await
        ),
        (1, 0)
    );
}

pub(crate) async fn a_repeated_change_is_applied_once(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    let change = success(&task, vec![order("then")]);
    let batch = vec![change.clone(), change.clone()];
    let answers = fixture.first.settle(batch, NOW).await.expect("settle");
    let finished = fixture.task(task.id).await;
    assert_eq!(answers, [Settled::Applied, stale(&finished)]);
    assert_eq!(fixture.settle(change, at(9)).await, stale(&finished));
    assert_eq!(fixture.task(task.id).await, finished);
    assert_eq!(count(&fixture, "then").await, 1);
}

pub(crate) async fn a_change_from_another_handle_is_seen(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    let own_change = success(&task, vec![]);
    let other_answer = fixture.second.settle(vec![failure(&task)], NOW).await;
    assert_eq!(other_answer.expect("settle"), [Settled::Applied]);
    assert_rejected(&fixture, own_change).await;
    assert_eq!(fixture.task(task.id).await.status, TaskStatus::Failed);
    let held = fixture
        .second
        .renew(vec![task.lease()], Duration::ZERO)
        .await;
    assert_eq!(held.expect("renew"), [Hold::Lost]);
}

/// A holder whose lease was taken over, of a task that was cancelled after that, still believes that the task is its
/// own to release.
pub(crate) async fn a_late_release_changes_nothing(fixture: Fixture) {
    let late = fixture.running(order("a")).await;
    let orphan = Orphan::new(late.clone(), OrphanReason::LeaseExpired, true);
    let change = take_over(&orphan, 3, NOW, 0.5).expect("a running task can be taken over");
    fixture.apply(change, NOW).await;
    let pending = fixture.task(late.id).await;
    assert_eq!((pending.attempts, pending.crashes), (0, 1));
    let change = cancel(&pending).into_change().expect("it is pending");
    fixture.apply(change, NOW).await;
    assert_rejected(&fixture, Change::release_cancelled(&late)).await;
}

/// A task may be cancelled and requeued between the read and the write of a caller that reschedules or cancels it.
pub(crate) async fn a_late_request_keeps_the_attempts_of_a_requeue(fixture: Fixture) {
    let read = fixture
        .running(order_with("a", |new| new.max_attempts = 5))
        .await;
    let failed = failed_attempt(&read, TaskError::retryable("again"));
    fixture.apply(failed, NOW).await;
    let read = fixture.task(read.id).await;
    assert_eq!((read.status, read.attempts), (TaskStatus::Pending, 1));
    let change = cancel(&read).into_change().expect("it is pending");
    fixture.apply(change, NOW).await;
    let cancelled = fixture.task(read.id).await;
    let change = requeue(&cancelled).into_change().expect("it is cancelled");
    fixture.apply(change, NOW).await;
    let late = reschedule(&read, Due::At(at(7))).into_change();
    fixture.apply(late.expect("it was pending"), NOW).await;
    let task = fixture.task(read.id).await;
    assert_eq!((task.attempts, task.eta), (0, at(7)));
    let late = cancel(&read).into_change();
    fixture.apply(late.expect("it was pending"), NOW).await;
    assert_eq!(fixture.task(read.id).await.attempts, 0);
}
