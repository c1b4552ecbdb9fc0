//! A signal says that something may have happened. What has happened is in the storage.

use std::sync::Arc;

use omniq::storage::{Signal, Storage};
use omniq::{EventKind, TaskContext, TaskStatus, call};
use tokio::sync::Semaphore;

use crate::proxy_storage::Proxy;
use crate::setup::*;

scenarios!(
    a_cancel_signal_about_an_earlier_claim_stops_nobody,
    a_signal_that_names_no_tasks_ends_a_wait,
);

async fn a_cancel_signal_about_an_earlier_claim_stops_nobody(open: Open) {
    let storage = Proxy::new(open());
    let omniq = with(Arc::clone(&storage) as Arc<dyn Storage>, quick()).await;
    let gate = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&gate);
    let handler = move |ctx: TaskContext, _| {
        let gate = Arc::clone(&waiting);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok(ctx.is_cancelled())
        }
    };
    let mut events = omniq.events();
    let worker = omniq.worker().concurrency(2).handler("wait", handler);
    let pool = worker.start().await.unwrap();
    let first = omniq.enqueue(call("wait")).await.unwrap();
    started(&mut events).await;
    storage.send(Signal::Cancelled([first.id()].into()));
    // A real cancel after it is the proof that the signal before it was handled.
    let second = omniq.enqueue(call("wait")).await.unwrap();
    started(&mut events).await;
    second.cancel().await.unwrap();
    gate.add_permits(2);
    assert_eq!(first.wait(CEILING).await.unwrap(), false);
    event(&mut events, |kind| *kind == EventKind::Succeeded).await;
    assert_eq!(second.status().await.unwrap(), TaskStatus::Cancelled);
    pool.stop().await.unwrap();
}

async fn a_signal_that_names_no_tasks_ends_a_wait(open: Open) {
    let storage = Proxy::new(open());
    storage.name_no_tasks();
    // No safety check ends the wait before the signal does.
    let settings = quick().poll_interval(CEILING * 2);
    let omniq = with(storage, settings).await;
    let worker = omniq.worker().handler("echo", echo);
    let handle = omniq.enqueue(call("echo").arg(1)).await.unwrap();
    let wait = tokio::spawn(async move { handle.wait(CEILING).await });
    let pool = worker.start().await.unwrap();
    assert_eq!(wait.await.unwrap().unwrap(), 1);
    pool.stop().await.unwrap();
}
