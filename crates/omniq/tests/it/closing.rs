//! Closing a queue in good order.

use std::time::Duration;

use omniq::{ErrorKind, call};

use crate::setup::*;

scenarios!(
    a_closed_queue_refuses_every_call_and_ends_open_waits,
    closing_stops_the_pools_and_lets_handlers_finish,
    closing_twice_is_fine,
);

async fn a_closed_queue_refuses_every_call_and_ends_open_waits(open: Open) {
    let omniq = omniq(open).await;
    let clone = omniq.clone();
    let handle = omniq.enqueue(call("nobody")).await.unwrap();
    let waiting = handle.clone();
    let wait = tokio::spawn(async move { waiting.wait(CEILING).await });
    let begun = tokio::task::yield_now();
    begun.await;
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
    let slow = |_, _| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(())
    };
    let mut events = omniq.events();
    let worker = omniq.worker().concurrency(1).handler("slow", slow);
    let pool = worker.start().await.unwrap();
    omniq.enqueue(call("slow")).await.unwrap();
    omniq.enqueue(call("slow")).await.unwrap();
    started(&mut events).await;
    omniq.close().await.unwrap();
    let summary = pool.join().await.unwrap();
    assert_eq!((summary.total_finished, summary.left), (1, 0));
}

async fn closing_twice_is_fine(open: Open) {
    let omniq = omniq(open).await;
    let clone = omniq.clone();
    omniq.close().await.unwrap();
    clone.close().await.unwrap();
}
