//! A stopping pool loses no task and uses up no attempt.

use std::sync::Arc;
use std::time::Duration;

use omniq::{Args, TaskContext, TaskError, TaskStatus, call};
use tokio::sync::Notify;

use crate::setup::*;

scenarios!(
    a_running_task_may_finish_within_the_grace,
    tasks_that_have_not_started_are_released_immediately,
    tasks_that_still_run_after_the_grace_are_released,
    a_dropped_pool_releases_its_running_tasks,
    an_idle_pool_stops_immediately,
);

async fn a_running_task_may_finish_within_the_grace(open: Open) {
    let omniq = omniq(open).await;
    let mut events = omniq.events();
    let gate = Arc::new(Notify::new());
    let wait = {
        let gate = Arc::clone(&gate);
        move |_: TaskContext, _: Args| {
            let gate = Arc::clone(&gate);
            async move {
                gate.notified().await;
                Ok::<_, TaskError>("finished")
            }
        }
    };
    let pool = omniq.worker().handler("wait", wait).start().await.unwrap();
    let handle = omniq.enqueue(call("wait")).await.unwrap();
    started(&mut events).await;
    let stopping = tokio::spawn(pool.stop());
    gate.notify_one();
    let summary = stopping.await.unwrap().unwrap();
    // The handler may have returned before the pool began to stop: `finished` may be 0 or 1, so it is not checked.
    let counts = (summary.total_finished, summary.released, summary.left);
    assert_eq!(counts, (1, 0, 0));
    assert_eq!(handle.wait(Duration::ZERO).await.unwrap(), "finished");
}

async fn tasks_that_have_not_started_are_released_immediately(open: Open) {
    let omniq = omniq(open).await;
    let mut events = omniq.events();
    omniq
        .enqueue_many((0..4).map(|_| call("long")))
        .await
        .unwrap();
    let worker = omniq.worker().concurrency(1).prefetch(3);
    let pool = worker
        .handler("long", until_cancelled)
        .start()
        .await
        .unwrap();
    let running = started(&mut events).await.id;
    let stopping = tokio::spawn(pool.stop());
    for _ in 0..3 {
        assert_ne!(
            released(&mut events).await.id,
            running,
            "released immediately, not after the grace"
        );
    }
    omniq.cancel_task(running).await.unwrap();
    let summary = stopping.await.unwrap().unwrap();
    assert_eq!(summary.left, 0);
    let pending = omniq::TaskFilter::new().status(TaskStatus::Pending);
    for task in omniq.list_tasks(pending).await.unwrap() {
        assert_eq!(
            (task.attempts, task.owner),
            (0, None),
            "the released attempt does not count"
        );
    }
    assert_eq!(omniq.stats().await.unwrap().queues["default"].pending, 3);
}

async fn tasks_that_still_run_after_the_grace_are_released(open: Open) {
    let omniq = omniq(open).await;
    let mut events = omniq.events();
    let worker = omniq.worker().grace(Duration::from_millis(30));
    let pool = worker.handler("forever", forever).start().await.unwrap();
    let handle = omniq.enqueue(call("forever")).await.unwrap();
    started(&mut events).await;
    let summary = pool.stop().await.unwrap();
    assert_eq!(
        (summary.finished, summary.released, summary.left),
        (0, 1, 0)
    );
    let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
    assert_eq!((task.status, task.attempts), (TaskStatus::Pending, 0));
    assert!(task.errors.is_empty());
}

async fn a_dropped_pool_releases_its_running_tasks(open: Open) {
    let omniq = omniq(open).await;
    let mut events = omniq.events();
    let worker = omniq.worker().handler("forever", forever);
    let pool = worker.start().await.unwrap();
    let handle = omniq.enqueue(call("forever")).await.unwrap();
    started(&mut events).await;
    drop(pool);
    assert_eq!(released(&mut events).await.id, handle.id());
    let worker = omniq.worker().handler("forever", echo);
    let _pool = worker.start().await.unwrap();
    handle.wait(CEILING).await.unwrap();
}

async fn an_idle_pool_stops_immediately(open: Open) {
    let omniq = omniq(open).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let summary = tokio::time::timeout(Duration::from_secs(5), pool.stop()).await;
    assert_eq!(summary.unwrap().unwrap().total_finished, 0);
}
