//! A pool ends: nothing is lost, nothing is burnt.

use std::sync::Arc;
use std::time::Duration;

use omniq::{Args, TaskContext, TaskError, TaskStatus, call};
use tokio::sync::Notify;

use crate::setup::*;

scenarios!(
    what_runs_may_finish,
    what_has_not_started_goes_back,
    after_the_grace_the_rest_is_given_back,
    a_dropped_pool_gives_back_what_it_ran,
    an_idle_pool_stops_at_once,
);

async fn what_runs_may_finish(open: Open) {
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
    // The handler may have ended before the stop was heard.
    let counts = (summary.total_finished, summary.released, summary.left);
    assert_eq!(counts, (1, 0, 0));
    assert_eq!(handle.wait(Duration::ZERO).await.unwrap(), "finished");
}

async fn what_has_not_started_goes_back(open: Open) {
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
            "at once, not after the grace"
        );
    }
    omniq.cancel_task(running).await.unwrap();
    let summary = stopping.await.unwrap().unwrap();
    assert_eq!(summary.left, 0);
    let pending = omniq::TaskFilter::new().status(TaskStatus::Pending);
    for task in omniq.list_tasks(pending).await.unwrap() {
        assert_eq!((task.attempts, task.owner), (0, None), "refunded");
    }
    assert_eq!(omniq.stats().await.unwrap().queues["default"].pending, 3);
}

async fn after_the_grace_the_rest_is_given_back(open: Open) {
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

async fn a_dropped_pool_gives_back_what_it_ran(open: Open) {
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

async fn an_idle_pool_stops_at_once(open: Open) {
    let omniq = omniq(open).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let summary = tokio::time::timeout(Duration::from_secs(5), pool.stop()).await;
    assert_eq!(summary.unwrap().unwrap().total_finished, 0);
}
