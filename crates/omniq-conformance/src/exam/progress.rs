//! Questions about progress.

use omniq_core::settle::reschedule;
use omniq_core::storage::{Lease, ProgressUpdate, TaskFilter};
use omniq_core::{Change, Due, Progress, Task, TaskError, TaskId, Timestamp};

use crate::Fixture;
use crate::builders::{
    NOW, SECOND, at, cancel_change, failed_attempt, failure, order, release, request,
    requeue_change, success, unknown_id,
};

async fn record(fixture: &Fixture, updates: Vec<ProgressUpdate>, now: Timestamp) -> Vec<bool> {
    fixture
        .first
        .record_progress(updates, now)
        .await
        .expect("record_progress")
}

fn half(lease: Lease) -> ProgressUpdate {
    ProgressUpdate::new(lease, 0.5, "half of it")
}

/// Adds and claims a task, and stores a progress of one half.
async fn half_done(fixture: &Fixture) -> Task {
    let task = fixture.running(order("a")).await;
    assert_eq!(
        record(fixture, vec![half(task.lease())], at(1)).await,
        [true]
    );
    task
}

async fn assert_half_done(fixture: &Fixture, id: TaskId) {
    let expected = Progress::new(0.5, "half of it", at(1));
    assert_eq!(fixture.task(id).await.progress, Some(expected));
}

pub(crate) async fn the_latest_progress_is_visible_to_all(fixture: Fixture) {
    let mut task = fixture.running(order("a")).await;
    assert_eq!(task.progress, None);
    let updates = [(0.75, "three quarters", 9), (0.25, "back again", 4)];
    for (fraction, message, second) in updates {
        let update = vec![ProgressUpdate::new(task.lease(), fraction, message)];
        assert_eq!(record(&fixture, update, at(second)).await, [true]);
        task.progress = Some(Progress::new(fraction, message, at(second)));
        for handle in [&fixture.first, &fixture.second] {
            let found = handle.get(vec![task.id]).await.expect("get");
            assert_eq!(found, [Some(task.clone())], "and nothing else changed");
            let filter = TaskFilter::new().name("a");
            let listed = handle.list_tasks(filter).await.expect("list_tasks");
            assert_eq!(listed, [task.clone()]);
        }
    }
    let twice = vec![
        half(task.lease()),
        ProgressUpdate::new(task.lease(), 1.0, "all"),
    ];
    assert_eq!(record(&fixture, twice, at(5)).await, [true, true]);
    task.progress = Some(Progress::new(1.0, "all", at(5)));
    assert_eq!(fixture.task(task.id).await, task);
}

pub(crate) async fn a_batch_is_answered_in_order(fixture: Fixture) {
    assert_eq!(record(&fixture, vec![], NOW).await, [false; 0]);
    fixture.enqueue(vec![order("a"); 6], NOW).await;
    let tasks = fixture.claim(request(NOW).limit(5)).await;
    fixture.apply(cancel_change(&tasks[1]), NOW).await;
    fixture.apply(success(&tasks[2], vec![]), NOW).await;
    fixture.apply(release(&tasks[3]), NOW).await;
    let mut leases: Vec<_> = tasks.iter().map(Task::lease).collect();
    leases[4].number += 1;
    leases.push(Lease::new(unknown_id(), 1));
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    let mut expected = fixture.first.get(ids.clone()).await.expect("get");
    for task in expected.iter_mut().take(2).flatten() {
        task.progress = Some(Progress::new(0.5, "half of it", at(1)));
    }
    let answers = record(&fixture, leases.into_iter().map(half).collect(), at(1)).await;
    assert_eq!(answers, [true, true, false, false, false, false]);
    assert_eq!(fixture.first.get(ids).await.expect("get"), expected);
}

pub(crate) async fn a_late_worker_changes_no_progress(fixture: Fixture) {
    let late = half_done(&fixture).await;
    let late_update = || vec![ProgressUpdate::new(late.lease(), 0.9, "late")];
    fixture.apply(release(&late), at(2)).await;
    assert_eq!(record(&fixture, late_update(), at(3)).await, [false]);
    assert_half_done(&fixture, late.id).await;
    let again = fixture.claim_one(at(2)).await;
    assert_eq!(record(&fixture, late_update(), at(3)).await, [false]);
    assert_eq!(fixture.task(late.id).await, again);
    assert_eq!(
        record(&fixture, vec![half(again.lease())], at(1)).await,
        [true]
    );
    assert_eq!(record(&fixture, late_update(), at(3)).await, [false]);
    assert_half_done(&fixture, late.id).await;
    fixture.apply(failure(&again), at(2)).await;
    let latest = vec![ProgressUpdate::new(again.lease(), 0.9, "late")];
    assert_eq!(record(&fixture, latest, at(3)).await, [false]);
    assert_half_done(&fixture, late.id).await;
}

pub(crate) async fn a_cancelled_task_stores_progress_until_it_is_released(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    fixture.apply(cancel_change(&task), NOW).await;
    assert_eq!(
        record(&fixture, vec![half(task.lease())], at(1)).await,
        [true]
    );
    assert_half_done(&fixture, task.id).await;
    fixture.apply(Change::release_cancelled(&task), NOW).await;
    let late = vec![ProgressUpdate::new(task.lease(), 0.9, "late")];
    assert_eq!(record(&fixture, late, at(2)).await, [false]);
    assert_half_done(&fixture, task.id).await;
}

pub(crate) async fn a_finished_task_keeps_its_progress(fixture: Fixture) {
    let done = success(&half_done(&fixture).await, vec![order("then")]);
    fixture.apply(done.clone(), at(2)).await;
    assert_half_done(&fixture, done.id).await;
    let then = fixture.claim_one(at(2)).await;
    assert_eq!(then.progress, None, "a follow-up begins without");
    let broken = failure(&half_done(&fixture).await);
    fixture.apply(broken.clone(), at(2)).await;
    assert_half_done(&fixture, broken.id).await;
    let cancelled = cancel_change(&half_done(&fixture).await);
    fixture.apply(cancelled.clone(), at(2)).await;
    assert_half_done(&fixture, cancelled.id).await;
}

pub(crate) async fn the_next_claim_clears_the_progress(fixture: Fixture) {
    let task = half_done(&fixture).await;
    let again = failed_attempt(&task, TaskError::retry_after(SECOND * 8));
    fixture.apply(again, at(2)).await;
    assert_half_done(&fixture, task.id).await;
    let waiting = fixture.task(task.id).await;
    let sooner = reschedule(&waiting, Due::At(at(3)))
        .into_change()
        .expect("it is pending");
    fixture.apply(sooner, at(2)).await;
    assert_half_done(&fixture, task.id).await;
    let again = fixture.claim_one(at(3)).await;
    assert_eq!((again.lease, &again.progress), (2, &None));
    assert_eq!(fixture.task(task.id).await, again);
}

pub(crate) async fn a_requeue_clears_the_progress(fixture: Fixture) {
    let failed = half_done(&fixture).await;
    fixture.apply(failure(&failed), at(2)).await;
    let stopped = half_done(&fixture).await;
    fixture.apply(cancel_change(&stopped), at(2)).await;
    fixture
        .apply(Change::release_cancelled(&stopped), at(2))
        .await;
    for task in [failed, stopped] {
        assert_half_done(&fixture, task.id).await;
        let ended = fixture.task(task.id).await;
        let again = requeue_change(&ended);
        fixture.apply(again, at(3)).await;
        assert_eq!(fixture.task(task.id).await.progress, None);
    }
}

pub(crate) async fn any_fraction_text_and_time_is_stored(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    let long = "größe/日本語 ".repeat(200);
    let texts = [
        "",
        "'; DROP TABLE \"x\" --",
        "a\0b\nc\r\t",
        "🦀\u{1F468}\u{200D}\u{1F469}",
        " % _ \\ ",
        &long,
    ];
    let fractions = [0.0, 1.0, 0.1, 1.0 / 3.0, f64::MIN_POSITIVE, f64::NAN];
    let times = [at(1), Timestamp(i64::MIN), Timestamp(i64::MAX)];
    for ((text, fraction), now) in texts
        .into_iter()
        .zip(fractions)
        .zip(times.iter().copied().cycle())
    {
        let update = ProgressUpdate::new(task.lease(), fraction, text);
        let expected = update.clone().progress(now);
        assert!(expected.message.len() <= 1024);
        assert_eq!(record(&fixture, vec![update], now).await, [true]);
        assert_eq!(fixture.task(task.id).await.progress, Some(expected));
    }
}
