//! Closing a queue in good order.

use std::sync::Arc;
use std::time::Duration;

use omniq::storage::BoxFuture;
use omniq::{Args, ErrorKind, EventKind, TaskContext, TaskError, call};
use tokio::sync::Semaphore;

use crate::setup::*;

scenarios!(
    a_closed_queue_refuses_every_call_and_ends_open_waits,
    closing_stops_the_pools_and_lets_handlers_finish,
    closing_twice_is_fine,
    closing_goes_on_if_its_future_is_dropped,
    closing_ends_streams_of_events,
);

/// A handler that needs a permit to finish.
fn gated(
    gate: &Arc<Semaphore>,
) -> impl Fn(TaskContext, Args) -> BoxFuture<'static, Result<(), TaskError>> + Send + Sync + 'static
{
    let gate = Arc::clone(gate);
    move |_, _| {
        let gate = Arc::clone(&gate);
        Box::pin(async move {
            gate.acquire().await.unwrap().forget();
            Ok(())
        })
    }
}

async fn a_closed_queue_refuses_every_call_and_ends_open_waits(open: Open) {
    let omniq = omniq(open).await;
    let clone = omniq.clone();
    let handle = omniq.enqueue(call("nobody")).await.unwrap();
    let waiting = handle.clone();
    let wait = tokio::spawn(async move { waiting.wait(CEILING).await });
    tokio::task::yield_now().await;
    omniq.close().await.unwrap();
    assert_eq!(wait.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    let error = clone.enqueue(call("f")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    assert_eq!(handle.status().await.unwrap_err().kind(), ErrorKind::Closed);
    let error = handle.wait(Duration::from_secs(5)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    assert_eq!(clone.stats().await.unwrap_err().kind(), ErrorKind::Closed);
    let worker = clone.worker().handler("echo", echo);
    let error = worker.start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
}

async fn closing_stops_the_pools_and_lets_handlers_finish(open: Open) {
    let omniq = omniq(open).await;
    let gate = Arc::new(Semaphore::new(0));
    let mut events = omniq.events();
    let worker = omniq.worker().concurrency(1).prefetch(0);
    let pool = worker.handler("gated", gated(&gate)).start().await.unwrap();
    omniq.enqueue(call("gated")).await.unwrap();
    omniq.enqueue(call("gated")).await.unwrap();
    started(&mut events).await;
    let closing = tokio::spawn(omniq.clone().close());
    // A pool that stops takes nothing any more, so the second task is unhandled.
    while omniq.stats().await.unwrap().unhandled.is_empty() {
        tokio::task::yield_now().await;
    }
    gate.add_permits(2);
    closing.await.unwrap().unwrap();
    let summary = pool.join().await.unwrap();
    assert_eq!((summary.total_finished, summary.left), (1, 0));
}

async fn closing_twice_is_fine(open: Open) {
    let omniq = omniq(open).await;
    let clone = omniq.clone();
    omniq.close().await.unwrap();
    clone.close().await.unwrap();
}

async fn closing_goes_on_if_its_future_is_dropped(open: Open) {
    let omniq = omniq(open).await;
    let gate = Arc::new(Semaphore::new(0));
    let mut events = omniq.events();
    let worker = omniq.worker().handler("gated", gated(&gate));
    let pool = worker.start().await.unwrap();
    let handle = omniq.enqueue(call("gated")).await.unwrap();
    started(&mut events).await;
    let closing = omniq.clone().close();
    let in_time = tokio::time::timeout(Duration::from_millis(1), closing).await;
    assert!(in_time.is_err(), "the handler still runs");
    gate.add_permits(1);
    assert_eq!(pool.join().await.unwrap().total_finished, 1);
    // The wait ends with the result or, if the storage was faster, with the end of the queue, but not by its limit.
    let ended = handle.wait(CEILING).await;
    assert!(ended.is_ok() || ended.is_err_and(|e| e.kind() == ErrorKind::Closed));
    // The stream ends after the storage was closed.
    while events.next().await.is_some() {}
    let error = omniq.enqueue(call("gated")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
}

async fn closing_ends_streams_of_events(open: Open) {
    let omniq = omniq(open).await;
    let mut events = omniq.events();
    let handle = omniq.enqueue(call("f")).await.unwrap();
    omniq.close().await.unwrap();
    let event = events.next().await.unwrap();
    assert_eq!((event.id, event.kind), (handle.id(), EventKind::Enqueued));
    assert_eq!(events.next().await, None);
    assert_eq!(events.next().await, None);
}
