use omniq_core::settle::{cancel, requeue, reschedule};
use omniq_core::storage::{Lease, ProgressUpdate, TaskFilter};
use omniq_core::{Change, Due, Progress, Task, TaskError, TaskId, Timestamp};

use crate::Scene;
use crate::orders::{NOW, SECOND, at, broke, failure, order, release, success, unknown_id, wish};

async fn note(scene: &Scene, notes: Vec<ProgressUpdate>, now: Timestamp) -> Vec<bool> {
    scene.here.record_progress(notes, now).await.expect("note")
}

fn half(lease: Lease) -> ProgressUpdate {
    ProgressUpdate::new(lease, 0.5, "half of it")
}

/// A running task that is half done.
async fn half_done(scene: &Scene) -> Task {
    let task = scene.running(order("a")).await;
    assert_eq!(note(scene, vec![half(task.lease())], at(1)).await, [true]);
    task
}

async fn is_half_done(scene: &Scene, id: TaskId) {
    let expected = Progress::new(0.5, "half of it", at(1));
    assert_eq!(scene.task(id).await.progress, Some(expected));
}

pub(crate) async fn the_latest_is_kept_for_all_to_see(scene: Scene) {
    let mut task = scene.running(order("a")).await;
    assert_eq!(task.progress, None);
    let notes = [(0.75, "three quarters", 9), (0.25, "back again", 4)];
    for (fraction, message, second) in notes {
        let told = vec![ProgressUpdate::new(task.lease(), fraction, message)];
        assert_eq!(note(&scene, told, at(second)).await, [true]);
        task.progress = Some(Progress::new(fraction, message, at(second)));
        for handle in [&scene.here, &scene.there] {
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
    assert_eq!(note(&scene, twice, at(5)).await, [true, true]);
    task.progress = Some(Progress::new(1.0, "all", at(5)));
    assert_eq!(scene.task(task.id).await, task);
}

pub(crate) async fn a_batch_is_answered_in_order(scene: Scene) {
    assert_eq!(note(&scene, vec![], NOW).await, [false; 0]);
    scene.enqueue(vec![order("a"); 6], NOW).await;
    let tasks = scene.claim(wish(NOW).limit(5)).await;
    scene
        .done(cancel(&tasks[1]).into_change().expect("it is running"), NOW)
        .await;
    scene.done(success(&tasks[2], vec![]), NOW).await;
    scene.done(release(&tasks[3]), NOW).await;
    let mut leases: Vec<_> = tasks.iter().map(Task::lease).collect();
    leases[4].number += 1;
    leases.push(Lease::new(unknown_id(), 1));
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    let mut expected = scene.here.get(ids.clone()).await.expect("get");
    for task in expected.iter_mut().take(2).flatten() {
        task.progress = Some(Progress::new(0.5, "half of it", at(1)));
    }
    let answers = note(&scene, leases.into_iter().map(half).collect(), at(1)).await;
    assert_eq!(answers, [true, true, false, false, false, false]);
    assert_eq!(scene.here.get(ids).await.expect("get"), expected);
}

pub(crate) async fn a_late_worker_tells_nothing(scene: Scene) {
    let late = half_done(&scene).await;
    let told = || vec![ProgressUpdate::new(late.lease(), 0.9, "late")];
    scene.done(release(&late), at(2)).await;
    assert_eq!(note(&scene, told(), at(3)).await, [false]);
    is_half_done(&scene, late.id).await;
    let again = scene.claim_one(at(2)).await;
    assert_eq!(note(&scene, told(), at(3)).await, [false]);
    assert_eq!(scene.task(late.id).await, again);
    assert_eq!(note(&scene, vec![half(again.lease())], at(1)).await, [true]);
    assert_eq!(note(&scene, told(), at(3)).await, [false]);
    is_half_done(&scene, late.id).await;
    scene.done(failure(&again), at(2)).await;
    let latest = vec![ProgressUpdate::new(again.lease(), 0.9, "late")];
    assert_eq!(note(&scene, latest, at(3)).await, [false]);
    is_half_done(&scene, late.id).await;
}

pub(crate) async fn a_cancelled_task_tells_until_it_is_let_go(scene: Scene) {
    let task = scene.running(order("a")).await;
    scene
        .done(cancel(&task).into_change().expect("it is running"), NOW)
        .await;
    assert_eq!(note(&scene, vec![half(task.lease())], at(1)).await, [true]);
    is_half_done(&scene, task.id).await;
    scene.done(Change::release_cancelled(&task), NOW).await;
    let late = vec![ProgressUpdate::new(task.lease(), 0.9, "late")];
    assert_eq!(note(&scene, late, at(2)).await, [false]);
    is_half_done(&scene, task.id).await;
}

pub(crate) async fn every_end_keeps_it(scene: Scene) {
    let done = success(&half_done(&scene).await, vec![order("then")]);
    scene.done(done.clone(), at(2)).await;
    is_half_done(&scene, done.id).await;
    let then = scene.claim_one(at(2)).await;
    assert_eq!(then.progress, None, "a follow-up begins without");
    let broken = failure(&half_done(&scene).await);
    scene.done(broken.clone(), at(2)).await;
    is_half_done(&scene, broken.id).await;
    let cancelled = cancel(&half_done(&scene).await)
        .into_change()
        .expect("it is running");
    scene.done(cancelled.clone(), at(2)).await;
    is_half_done(&scene, cancelled.id).await;
}

pub(crate) async fn the_next_claim_forgets_it(scene: Scene) {
    let task = half_done(&scene).await;
    let again = broke(&task, TaskError::retry_after(SECOND * 8));
    scene.done(again, at(2)).await;
    is_half_done(&scene, task.id).await;
    let waiting = scene.task(task.id).await;
    let sooner = reschedule(&waiting, Due::At(at(3)))
        .into_change()
        .expect("it is pending");
    scene.done(sooner, at(2)).await;
    is_half_done(&scene, task.id).await;
    let again = scene.claim_one(at(3)).await;
    assert_eq!((again.lease, &again.progress), (2, &None));
    assert_eq!(scene.task(task.id).await, again);
}

pub(crate) async fn a_requeue_forgets_it(scene: Scene) {
    let failed = half_done(&scene).await;
    scene.done(failure(&failed), at(2)).await;
    let stopped = half_done(&scene).await;
    scene
        .done(
            cancel(&stopped).into_change().expect("it is running"),
            at(2),
        )
        .await;
    scene.done(Change::release_cancelled(&stopped), at(2)).await;
    for task in [failed, stopped] {
        is_half_done(&scene, task.id).await;
        let ended = scene.task(task.id).await;
        let again = requeue(&ended).into_change().expect("nobody holds it");
        scene.done(again, at(3)).await;
        assert_eq!(scene.task(task.id).await.progress, None);
    }
}

pub(crate) async fn fractions_texts_and_times_of_any_kind_are_kept(scene: Scene) {
    let task = scene.running(order("a")).await;
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
        let told = ProgressUpdate::new(task.lease(), fraction, text);
        let expected = told.clone().progress(now);
        assert!(expected.message.len() <= 1024);
        assert_eq!(note(&scene, vec![told], now).await, [true]);
        assert_eq!(scene.task(task.id).await.progress, Some(expected));
    }
}
