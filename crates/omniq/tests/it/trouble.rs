//! A storage that fails for a while: the pool recovers, and nothing is lost.

use std::sync::atomic::Ordering;
use std::time::Duration;

use omniq::storage::Signal;
use omniq::{Args, Storage, TaskContext, TaskError, TaskStatus, call};
use tokio_stream::StreamExt as _;

use crate::failing::{Failing, OPEN};
use crate::setup::*;

scenarios!(
    a_pool_outlives_claims_that_fail,
    a_settlement_is_tried_until_it_is_written,
    a_commit_that_happened_all_the_same_counts_once,
    an_outcome_that_is_refused_for_good_costs_no_other_its_own,
    thousands_that_fail_at_once_are_tried_again_and_counted,
    a_wait_outlives_reads_that_fail,
    a_cancel_while_a_claim_is_under_way_reaches_the_handler,
    a_stop_does_not_wait_forever_for_a_broken_storage,
);

async fn a_pool_outlives_claims_that_fail(open: Open) {
    let storage = Failing::new(open);
    storage.claims.store(3, Ordering::SeqCst);
    let omniq = with(storage.clone(), quick()).await;
    let _pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let handle = omniq.enqueue(call("echo").arg(1)).await.unwrap();
    assert_eq!(handle.wait(CEILING).await.unwrap(), 1);
    assert_eq!(storage.claims.load(Ordering::SeqCst), 0);
}

async fn a_settlement_is_tried_until_it_is_written(open: Open) {
    let storage = Failing::new(open);
    storage.settlements.store(3, Ordering::SeqCst);
    let omniq = with(storage, quick()).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let handle = omniq.enqueue(call("echo").arg(2)).await.unwrap();
    assert_eq!(handle.wait(CEILING).await.unwrap(), 2);
    let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
    assert_eq!(task.attempts, 1, "executed once");
    assert_eq!(pool.stop().await.unwrap().left, 0);
}

async fn a_commit_that_happened_all_the_same_counts_once(open: Open) {
    let storage = Failing::new(open);
    storage.lost_answers.store(2, Ordering::SeqCst);
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
        "one run, one next run"
    );
}

async fn an_outcome_that_is_refused_for_good_costs_no_other_its_own(open: Open) {
    let omniq = with(Failing::new(open), quick()).await;
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

async fn thousands_that_fail_at_once_are_tried_again_and_counted(open: Open) {
    const TASKS: usize = 10_000;
    let omniq = with(open(), quick().max_attempts(2)).await;
    let fail = |_: TaskContext, _: Args| async { Err::<(), _>(TaskError::retryable("no luck")) };
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

async fn a_wait_outlives_reads_that_fail(open: Open) {
    let storage = Failing::new(open);
    let omniq = with(storage.clone(), quick()).await;
    let handle = omniq.enqueue(call("echo").arg(3)).await.unwrap();
    storage.reads.store(2, Ordering::SeqCst);
    let _pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    assert_eq!(handle.wait(CEILING).await.unwrap(), 3);
}

async fn a_cancel_while_a_claim_is_under_way_reaches_the_handler(open: Open) {
    let storage = Failing::new(open);
    storage.answers.forget_permits(OPEN);
    // The gate can't release what it holds back, so that the claim's own timer must not end it.
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
    storage.answers.add_permits(OPEN);
    // The next renewal, which would find it as well, is ten seconds away.
    let requeued = omniq.requeue_task(handle.id());
    let requeued = tokio::time::timeout(Duration::from_secs(5), requeued).await;
    assert!(requeued.expect("the handler was not told").unwrap());
    drop(pool);
}

async fn a_stop_does_not_wait_forever_for_a_broken_storage(open: Open) {
    let storage = Failing::new(open);
    let omniq = with(storage.clone(), quick()).await;
    let mut events = omniq.events();
    let worker = omniq.worker().grace(Duration::from_millis(10));
    let pool = worker.handler("forever", forever).start().await.unwrap();
    omniq.enqueue(call("forever")).await.unwrap();
    started(&mut events).await;
    storage.settlements.store(u32::MAX, Ordering::SeqCst);
    let summary = pool.stop().await.unwrap();
    assert_eq!((summary.released, summary.left), (0, 1));
}
