//! Questions about signals.

use std::collections::HashSet;

use omniq_core::storage::{Signal, Watch};
use omniq_core::{Change, TaskId};
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;

use crate::Fixture;
use crate::builders::{
    NOW, cancel_change, failure, order, release, request, requeue_change, success, with_key,
};

/// Reads until a signal is as expected. [`Signal::Unknown`] stands for any signal.
async fn wait_for_signal(watch: &mut Watch, requested: impl Fn(&Signal) -> bool) {
    loop {
        let signal = watch.next().await.expect("the stream goes on");
        if signal == Signal::Unknown || requested(&signal) {
            return;
        }
    }
}

fn is_finished(id: TaskId) -> impl Fn(&Signal) -> bool {
    move |signal| matches!(signal, Signal::Finished(ids) if ids.contains(&id))
}

fn is_cancelled(id: TaskId) -> impl Fn(&Signal) -> bool {
    move |signal| matches!(signal, Signal::Cancelled(ids) if ids.contains(&id))
}

fn is_added(signal: &Signal) -> bool {
    *signal == Signal::Enqueued
}

pub(crate) async fn an_enqueue_is_signalled(fixture: Fixture) {
    let mut watch = fixture.first.watch();
    fixture.add(order("a")).await;
    wait_for_signal(&mut watch, is_added).await;
    let mut task = fixture.claim_one(NOW).await;
    fixture.apply(release(&task), NOW).await;
    wait_for_signal(&mut watch, is_added).await;
    task = fixture.claim_one(NOW).await;
    fixture.apply(failure(&task), NOW).await;
    wait_for_signal(&mut watch, is_finished(task.id)).await;
    let failed = fixture.task(task.id).await;
    fixture.apply(requeue_change(&failed), NOW).await;
    wait_for_signal(&mut watch, is_added).await;
    task = fixture.claim_one(NOW).await;
    fixture.apply(success(&task, vec![order("b")]), NOW).await;
    let mut both = (false, false);
    while both != (true, true) {
        match watch.next().await.expect("the stream goes on") {
            Signal::Enqueued => both.0 = true,
            Signal::Finished(ids) if ids[..] == [task.id] => both.1 = true,
            Signal::Unknown => both = (true, true),
            Signal::OwnerExited => {}
            other => panic!("nothing else happened: {other:?}"),
        }
    }
}

pub(crate) async fn a_finished_task_is_signalled(fixture: Fixture) {
    let mut watches = [fixture.first.watch(), fixture.first.watch()];
    let tasks = [
        fixture.running(order("a")).await,
        fixture.running(order("a")).await,
    ];
    let batch = vec![success(&tasks[0], vec![]), failure(&tasks[1])];
    fixture.first.settle(batch, NOW).await.expect("settle");
    for watch in &mut watches {
        let mut missing: Vec<_> = tasks.iter().map(|task| task.id).collect();
        while !missing.is_empty() {
            match watch.next().await.expect("the stream goes on") {
                Signal::Finished(ids) => missing.retain(|id| !ids.contains(id)),
                Signal::Unknown => missing.clear(),
                Signal::OwnerExited => {}
                signal => assert_eq!(signal, Signal::Enqueued, "nothing was cancelled"),
            }
        }
    }
}

pub(crate) async fn a_cancel_is_signalled(fixture: Fixture) {
    let mut watch = fixture.first.watch();
    let running = fixture.running(order("a")).await;
    let pending = fixture.task(fixture.add(order("a")).await).await;
    for task in [running, pending] {
        fixture.apply(cancel_change(&task), NOW).await;
        wait_for_signal(&mut watch, is_cancelled(task.id)).await;
    }
}

pub(crate) async fn a_release_after_a_cancel_is_signalled(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    fixture.apply(cancel_change(&task), NOW).await;
    let mut watch = fixture.first.watch();
    fixture.apply(Change::release_cancelled(&task), NOW).await;
    wait_for_signal(&mut watch, is_finished(task.id)).await;
}

pub(crate) async fn a_rejected_change_is_not_signalled(fixture: Fixture) {
    let task = fixture.running(with_key("a", "key")).await;
    let mut wrong = success(&task, vec![order("b")]);
    wrong.lease += 1;
    let mut watch = fixture.first.watch();
    fixture.settle(wrong, NOW).await;
    fixture.existing(with_key("a", "key")).await;
    fixture.apply(success(&task, vec![]), NOW).await;
    loop {
        match watch.next().await.expect("the stream goes on") {
            // `Unknown` may be about changes from before the stream; owners are not part of this question.
            Signal::Unknown | Signal::OwnerExited => continue,
            first => {
                assert_eq!(first, Signal::Finished([task.id].into()));
                return;
            }
        }
    }
}

pub(crate) async fn a_slow_listener_gets_unknown(fixture: Fixture) {
    const TASKS: usize = 5_000;
    let mut watch = fixture.first.watch();
    let orders = vec![order("a"); TASKS];
    fixture.enqueue(orders, NOW).await;
    let tasks = fixture.claim(request(NOW).limit(TASKS)).await;
    assert_eq!(tasks.len(), TASKS);
    // Each change is a call of its own. The calls are concurrent, so that the storage can batch them.
    let mut writes = JoinSet::new();
    for task in &tasks {
        let (fixture, change) = (fixture.clone(), success(task, vec![]));
        writes.spawn(async move { fixture.apply(change, NOW).await });
    }
    writes.join_all().await;
    let mut missing: HashSet<_> = tasks.iter().map(|task| task.id).collect();
    while !missing.is_empty() {
        match watch.next().await.expect("the stream goes on") {
            Signal::Unknown => missing.clear(),
            Signal::Finished(ids) => ids.iter().for_each(|id| {
                missing.remove(id);
            }),
            _ => {}
        }
    }
}

pub(crate) async fn the_other_handle_gets_the_signals(fixture: Fixture) {
    let mut watch = fixture.second.watch();
    let task = fixture.running(order("a")).await;
    wait_for_signal(&mut watch, is_added).await;
    fixture.apply(success(&task, vec![]), NOW).await;
    wait_for_signal(&mut watch, is_finished(task.id)).await;
    let task = fixture.running(order("a")).await;
    wait_for_signal(&mut watch, is_added).await;
    fixture.apply(cancel_change(&task), NOW).await;
    wait_for_signal(&mut watch, is_cancelled(task.id)).await;
}
