//! A storage that fails for a while: the pool recovers, and no task is lost.

use std::sync::atomic::Ordering;
use std::time::Duration;

use omniq::storage::Signal;
use omniq::{Args, Storage, TaskContext, TaskError, TaskStatus, call};
use tokio_stream::StreamExt as _;

use crate::failing_storage::{FailingStorage, MANY_PERMITS};
use crate::setup::*;

scenarios!(
    a_pool_recovers_from_failed_claims,
    a_settlement_is_retried_until_it_is_written,
    a_settlement_that_was_written_despite_an_error_counts_once,
    an_outcome_that_the_storage_refuses_fails_only_its_own_task,
    thousands_of_failing_tasks_are_retried_and_counted,
    a_wait_recovers_from_failed_reads,
    a_cancel_during_a_claim_reaches_the_handler,
    a_stopping_pool_does_not_wait_forever_for_a_failing_storage,
);

async fn a_pool_recovers_from_failed_claims(open: Open) {
    let storage = FailingStorage::new(open);
    storage.claim_failures.store(3, Ordering::SeqCst);
    let omniq = with(storage.clone(), quick()).await;
    let _pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let handle = omniq.enqueue(call("echo").arg(1)).await.unwrap();
    assert_eq!(handle.wait(CEILING).await.unwrap(), 1);
    assert_eq!(storage.claim_failures.load(Ordering::SeqCst), 0);
}

async fn a_settlement_is_retried_until_it_is_written(open: Open) {
    let storage = FailingStorage::new(open);
    storage.settle_failures.store(3, Ordering::SeqCst);
    let omniq = with(storage, quick()).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let handle = omniq.enqueue(call("echo").arg(2)).await.unwrap();
    assert_eq!(handle.wait(CEILING).await.unwrap(), 2);
    let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
    assert_eq!(task.attempts, 1, "executed once");
    assert_eq!(pool.stop().await.unwrap().left, 0);
}

async fn a_settlement_that_was_written_despite_an_error_counts_once(open: Open) {
    let storage = FailingStorage::new(open);
    storage.lost_settle_answers.store(2, Ordering::SeqCst);
    let omniq = with(storage, quick()).await;
    let mut events = omniq.events();
    let order = call("echo").interval(Duration::from_secs(3600));
    omniq.enqueue(order).await.unwrap();
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    event(&mut events, |kind| *kind == omniq::EventKind::Succeeded).await;
    assert_eq!(pool.stop().await.unwrap().left, 0);
    let stats = omniq.stats().await.unwrap().queues["default"];
    assert_eq!(
        (stats.success, stats.scheduled),
        (1, 1),
        "one run has finished and one is scheduled"
    );
}

async fn an_outcome_that_the_storage_refuses_fails_only_its_own_task(open: Open) {
    let omniq = with(FailingStorage::new(open), quick()).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let orders = (0..50).map(|n| match n {
        25 => call("echo").arg("refuse this"),
        n => call("echo").arg(n),
    });
    let handles = omniq.enqueue_many(orders).await.unwrap();
    for (n, handle) in handles.iter().enumerate() {
        match handle.wait(CEILING).await {
            Ok(value) => assert_eq!(value, n),
            Err(error) => {
                assert_eq!(n, 25);
                let error = error.task_error().unwrap();
                assert_eq!(error.error_type, "result");
                assert!(error.message.contains("a trigger refuses it"), "{error}");
            }
        }
    }
    assert_eq!(pool.stop().await.unwrap().left, 0);
}

async fn thousands_of_failing_tasks_are_retried_and_counted(open: Open) {
    const TASKS: usize = 10_000;
    let omniq = with(open(), quick().max_attempts(2)).await;
    let fail =
        |_: TaskContext, _: Args| async { Err::<(), _>(TaskError::retryable("always fails")) };
    let worker = omniq.worker().concurrency(64).handler("fail", fail);
    let pool = worker.start().await.unwrap();
    let handles = omniq
        .enqueue_many((0..TASKS).map(|_| call("fail")))
        .await
        .unwrap();
    for handle in &handles {
        let error = handle.wait(CEILING).await.unwrap_err();
        assert_eq!(error.task_error().unwrap().retry_count, 1);
    }
    let stats = omniq.stats().await.unwrap().queues["default"];
    assert_eq!(
        (stats.failed, stats.pending, stats.running),
        (TASKS as u64, 0, 0)
    );
    let summary = pool.stop().await.unwrap();
    assert_eq!(
        (summary.left, summary.total_finished),
        (0, 2 * TASKS as u64)
    );
}

async fn a_wait_recovers_from_failed_reads(open: Open) {
    let storage = FailingStorage::new(open);
    let omniq = with(storage.clone(), quick()).await;
    let handle = omniq.enqueue(call("echo").arg(3)).await.unwrap();
    storage.read_failures.store(2, Ordering::SeqCst);
    let _pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    assert_eq!(handle.wait(CEILING).await.unwrap(), 3);
}

async fn a_cancel_during_a_claim_reaches_the_handler(open: Open) {
    let storage = FailingStorage::new(open);
    storage.claim_permits.forget_permits(MANY_PERMITS);
    // The pool must not give up the claim that waits for a permit, so its safety check has to come late.
    let settings = quick().poll_interval(CEILING);
    let omniq = with(storage.clone(), settings).await;
    let worker = omniq.worker().handler("long", until_cancelled);
    let pool = worker.start().await.unwrap();
    let mut watch = storage.watch();
    let handle = omniq.enqueue(call("long")).await.unwrap();
    while handle.status().await.unwrap() != TaskStatus::Running {
        tokio::task::yield_now().await;
    }
    assert!(handle.cancel().await.unwrap());
    while !matches!(watch.next().await.unwrap(), Signal::Cancelled(_)) {}
    storage.claim_permits.add_permits(MANY_PERMITS);
    // The next renewal, which would detect the cancel too, is ten seconds away.
    let requeued = omniq.requeue_task(handle.id());
    let requeued = tokio::time::timeout(Duration::from_secs(5), requeued).await;
    assert!(requeued.expect("the handler was not cancelled").unwrap());
    drop(pool);
}

async fn a_stopping_pool_does_not_wait_forever_for_a_failing_storage(open: Open) {
    let storage = FailingStorage::new(open);
    let omniq = with(storage.clone(), quick()).await;
    let mut events = omniq.events();
    let worker = omniq.worker().grace(Duration::from_millis(10));
    let pool = worker.handler("forever", forever).start().await.unwrap();
    omniq.enqueue(call("forever")).await.unwrap();
    started(&mut events).await;
    storage.settle_failures.store(u32::MAX, Ordering::SeqCst);
    let summary = pool.stop().await.unwrap();
    assert_eq!((summary.released, summary.left), (0, 1));
}
