use std::collections::HashSet;

use omniq_core::settle::{cancel, requeue};
use omniq_core::storage::{Signal, Watch};
use omniq_core::{Change, TaskId};
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;

use crate::Scene;
use crate::orders::{NOW, failure, keyed, order, release, success, wish};

/// Reads until a signal is as wished; one that says "look" is as good as any.
async fn hears(watch: &mut Watch, wished: impl Fn(&Signal) -> bool) {
    loop {
        let signal = watch.next().await.expect("the stream goes on");
        if signal == Signal::Unknown || wished(&signal) {
            return;
        }
    }
}

fn ended(id: TaskId) -> impl Fn(&Signal) -> bool {
    move |signal| matches!(signal, Signal::Finished(ids) if ids.contains(&id))
}

fn cancelled(id: TaskId) -> impl Fn(&Signal) -> bool {
    move |signal| matches!(signal, Signal::Cancelled(ids) if ids.contains(&id))
}

fn added(signal: &Signal) -> bool {
    *signal == Signal::Enqueued
}

pub(crate) async fn an_enqueue_is_called_out(scene: Scene) {
    let mut watch = scene.here.watch();
    scene.add(order("a")).await;
    hears(&mut watch, added).await;
    let mut task = scene.claim_one(NOW).await;
    scene.done(release(&task), NOW).await;
    hears(&mut watch, added).await;
    task = scene.claim_one(NOW).await;
    scene.done(failure(&task), NOW).await;
    hears(&mut watch, ended(task.id)).await;
    let failed = scene.task(task.id).await;
    scene
        .done(requeue(&failed).into_change().expect("it failed"), NOW)
        .await;
    hears(&mut watch, added).await;
    task = scene.claim_one(NOW).await;
    scene.done(success(&task, vec![order("b")]), NOW).await;
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

pub(crate) async fn an_end_is_called_out(scene: Scene) {
    let mut watches = [scene.here.watch(), scene.here.watch()];
    let tasks = [
        scene.running(order("a")).await,
        scene.running(order("a")).await,
    ];
    let batch = vec![success(&tasks[0], vec![]), failure(&tasks[1])];
    scene.here.settle(batch, NOW).await.expect("settle");
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

pub(crate) async fn a_cancel_is_called_out(scene: Scene) {
    let mut watch = scene.here.watch();
    let running = scene.running(order("a")).await;
    let pending = scene.task(scene.add(order("a")).await).await;
    for task in [running, pending] {
        scene
            .done(cancel(&task).into_change().expect("it is unfinished"), NOW)
            .await;
        hears(&mut watch, cancelled(task.id)).await;
    }
}

pub(crate) async fn letting_go_is_called_out(scene: Scene) {
    let task = scene.running(order("a")).await;
    scene
        .done(cancel(&task).into_change().expect("it is running"), NOW)
        .await;
    let mut watch = scene.here.watch();
    scene.done(Change::release_cancelled(&task), NOW).await;
    hears(&mut watch, ended(task.id)).await;
}

pub(crate) async fn a_refused_change_is_silent(scene: Scene) {
    let task = scene.running(keyed("a", "key")).await;
    let mut wrong = success(&task, vec![order("b")]);
    wrong.lease += 1;
    let mut watch = scene.here.watch();
    scene.settle(wrong, NOW).await;
    scene.existing(keyed("a", "key")).await;
    scene.done(success(&task, vec![]), NOW).await;
    loop {
        match watch.next().await.expect("the stream goes on") {
            // It may be from before the stream began; owners are a matter of their own.
            Signal::Unknown | Signal::OwnerExited => continue,
            first => {
                assert_eq!(first, Signal::Finished([task.id].into()));
                return;
            }
        }
    }
}

pub(crate) async fn a_slow_listener_is_told_to_look(scene: Scene) {
    const TASKS: usize = 5_000;
    let mut watch = scene.here.watch();
    let orders = vec![order("a"); TASKS];
    scene.enqueue(orders, NOW).await;
    let tasks = scene.claim(wish(NOW).limit(TASKS)).await;
    assert_eq!(tasks.len(), TASKS);
    // One write each, unless the storage joins them; all at once, so that it can.
    let mut writes = JoinSet::new();
    for task in &tasks {
        let (scene, change) = (scene.clone(), success(task, vec![]));
        writes.spawn(async move { scene.done(change, NOW).await });
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

pub(crate) async fn the_other_handle_hears_of_it(scene: Scene) {
    let mut watch = scene.there.watch();
    let task = scene.running(order("a")).await;
    hears(&mut watch, added).await;
    scene.done(success(&task, vec![]), NOW).await;
    hears(&mut watch, ended(task.id)).await;
    let task = scene.running(order("a")).await;
    hears(&mut watch, added).await;
    scene
        .done(cancel(&task).into_change().expect("it is running"), NOW)
        .await;
    hears(&mut watch, cancelled(task.id)).await;
}
