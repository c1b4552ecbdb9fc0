//! Handles and ids: wait, cancel, requeue, list.

use std::time::Duration;

use omniq::{ErrorKind, EventKind, TaskFilter, TaskHandle, TaskId, TaskStatus, call};
use tokio::task::JoinSet;

use crate::setup::*;

scenarios!(
    a_wait_that_times_out_leaves_the_task_alone,
    unknown_ids_are_not_found,
    thousands_of_callers_can_wait_at_the_same_time,
    a_dropped_wait_does_not_disturb_later_waits,
    wait_all_returns_the_result_of_each_task,
    wait_first_returns_the_task_that_finishes_first,
    a_pending_task_is_cancelled_immediately,
    cancelling_a_running_task_asks_its_handler_to_stop,
    a_handler_that_ignores_a_cancel_is_dropped_after_the_grace,
    a_requeue_waits_until_the_handler_has_stopped,
    listing_in_pages_returns_each_task_once,
    enqueueing_many_tasks_adds_all_or_none,
);

async fn wait_all_returns_the_result_of_each_task(open: Open) {
    let omniq = omniq(open).await;
    let orders = (0..100).map(|n| call("echo").arg(n));
    let mut handles = omniq.enqueue_many(orders).await.unwrap();
    let early = TaskHandle::wait_all(&handles, Duration::ZERO).await;
    let kinds = early.iter().map(|one| one.as_ref().unwrap_err().kind());
    assert!(kinds.into_iter().all(|kind| kind == ErrorKind::WaitTimeout));

    handles[7].cancel().await.unwrap();
    handles.push(omniq.handle(unknown_id()));
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let all = TaskHandle::wait_all(&handles, CEILING).await;
    for (n, result) in all.iter().enumerate() {
        match result {
            Ok(value) => assert_eq!(value, n),
            Err(error) if n == 7 => assert_eq!(error.kind(), ErrorKind::TaskCancelled),
            Err(error) => assert!(n == 100 && error.is_not_found(), "{n}: {error}"),
        }
    }
    let finished = TaskHandle::wait_all(&handles, Duration::ZERO).await;
    assert_eq!(finished.iter().filter(|one| one.is_ok()).count(), 99);
    assert!(TaskHandle::<u8>::wait_all(&[], CEILING).await.is_empty());
    pool.stop().await.unwrap();
}

async fn wait_first_returns_the_task_that_finishes_first(open: Open) {
    let omniq = omniq(open).await;
    let mut orders: Vec<_> = (0..20).map(|_| call("forever")).collect();
    orders[13] = call("echo").arg("here");
    let handles = omniq.enqueue_many(orders).await.unwrap();
    let none = TaskHandle::wait_first(&handles, Duration::ZERO).await;
    assert_eq!(none.unwrap_err().kind(), ErrorKind::WaitTimeout);
    let worker = omniq.worker().handler("echo", echo).concurrency(30);
    let pool = worker
        .handler("forever", forever)
        .grace(Duration::ZERO)
        .start()
        .await
        .unwrap();
    // The second wait finds a task that has already finished.
    for limit in [CEILING, Duration::ZERO] {
        let (at, result) = TaskHandle::wait_first(&handles, limit).await.unwrap();
        assert_eq!((at, result.unwrap()), (13, "here".into()));
    }
    let empty = TaskHandle::<u8>::wait_first(&[], CEILING)
        .await
        .unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::Settings);
    pool.stop().await.unwrap();
}

fn unknown_id() -> TaskId {
    TaskId::from_i64(i64::MAX - 1).unwrap()
}

async fn a_wait_that_times_out_leaves_the_task_alone(open: Open) {
    let omniq = omniq(open).await;
    let handle = omniq.enqueue(call("echo")).await.unwrap();
    for limit in [Duration::ZERO, Duration::from_millis(10)] {
        let error = handle.wait(limit).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WaitTimeout);
        let text = error.to_string();
        for part in [&handle.id().to_string(), &format!("{limit:?}"), "PENDING"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    assert_eq!(handle.status().await.unwrap(), TaskStatus::Pending);
    let _pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    handle.wait(Duration::MAX).await.unwrap();
    handle.wait(Duration::ZERO).await.unwrap();
}

async fn unknown_ids_are_not_found(open: Open) {
    let omniq = omniq(open).await;
    let handle = omniq.handle::<u8>(unknown_id());
    assert!(handle.wait(CEILING).await.unwrap_err().is_not_found());
    assert!(handle.status().await.unwrap_err().is_not_found());
    assert!(handle.cancel().await.unwrap_err().is_not_found());
    assert!(
        omniq
            .requeue_task(unknown_id())
            .await
            .unwrap_err()
            .is_not_found()
    );
    let rescheduled = omniq.reschedule_task(unknown_id(), std::time::SystemTime::now());
    assert!(rescheduled.await.unwrap_err().is_not_found());
    assert!(omniq.get_task(unknown_id()).await.unwrap().is_none());
    assert!(omniq.get_result(unknown_id()).await.unwrap().is_none());
}

async fn thousands_of_callers_can_wait_at_the_same_time(open: Open) {
    const WAITERS: usize = 2000;
    let omniq = omniq(open).await;
    let orders = (0..WAITERS).map(|n| call("echo").arg(n));
    let handles = omniq.enqueue_many(orders).await.unwrap();
    let mut waits = JoinSet::new();
    for (n, handle) in handles.into_iter().enumerate() {
        waits.spawn(async move { handle.wait(CEILING).await.unwrap() == n });
    }
    let _pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    assert!(waits.join_all().await.into_iter().all(|is_right| is_right));
}

async fn a_dropped_wait_does_not_disturb_later_waits(open: Open) {
    let omniq = omniq(open).await;
    let handle = omniq.enqueue(call("echo").arg(5)).await.unwrap();
    for _ in 0..100 {
        tokio::select! {
            biased;
            _ = handle.wait(CEILING) => panic!("no pool runs it"),
            () = tokio::task::yield_now() => {}
        }
    }
    let _pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    assert_eq!(handle.wait(CEILING).await.unwrap(), 5);
}

async fn a_pending_task_is_cancelled_immediately(open: Open) {
    let omniq = omniq(open).await;
    let handle = omniq.enqueue(call("echo")).await.unwrap();
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.wait(CEILING).await }
    });
    assert!(handle.cancel().await.unwrap());
    assert_eq!(
        waiting.await.unwrap().unwrap_err().kind(),
        ErrorKind::TaskCancelled
    );
    assert!(!handle.cancel().await.unwrap(), "it is cancelled already");
    let _pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    assert!(omniq.requeue_task(handle.id()).await.unwrap());
    handle.wait(CEILING).await.unwrap();
}

async fn cancelling_a_running_task_asks_its_handler_to_stop(open: Open) {
    let omniq = omniq(open).await;
    let mut events = omniq.events();
    let worker = omniq.worker().handler("long", until_cancelled);
    let pool = worker.start().await.unwrap();
    let handle = omniq.enqueue(call("long")).await.unwrap();
    started(&mut events).await;
    assert!(handle.cancel().await.unwrap());
    event(&mut events, |kind| *kind == EventKind::Cancelled).await;
    assert_eq!(handle.status().await.unwrap(), TaskStatus::Cancelled);
    let summary = pool.stop().await.unwrap();
    assert_eq!(
        (summary.total_finished, summary.left),
        (1, 0),
        "the pool waits for the handler and ignores its result"
    );
    let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
    assert_eq!(
        (task.status, task.owner, task.result),
        (TaskStatus::Cancelled, None, None)
    );
}

async fn a_handler_that_ignores_a_cancel_is_dropped_after_the_grace(open: Open) {
    let omniq = omniq(open).await;
    let mut events = omniq.events();
    let worker = omniq.worker().grace(Duration::from_millis(50));
    let _pool = worker
        .handler("ignores cancel", forever)
        .start()
        .await
        .unwrap();
    let handle = omniq.enqueue(call("ignores cancel")).await.unwrap();
    started(&mut events).await;
    assert!(handle.cancel().await.unwrap());
    assert!(
        omniq.requeue_task(handle.id()).await.unwrap(),
        "the pool has released the task"
    );
    let again = started(&mut events).await;
    assert_eq!(again.id, handle.id());
}

async fn a_requeue_waits_until_the_handler_has_stopped(open: Open) {
    let omniq = omniq(open).await;
    let mut events = omniq.events();
    let worker = omniq.worker().handler("long", until_cancelled);
    let pool = worker.start().await.unwrap();
    let handle = omniq.enqueue(call("long")).await.unwrap();
    started(&mut events).await;
    assert!(handle.cancel().await.unwrap());
    assert!(omniq.requeue_task(handle.id()).await.unwrap());
    started(&mut events).await;
    let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
    assert_eq!(task.attempts, 1, "attempts are counted from the beginning");
    assert!(task.lease > 1, "but the lease rises");
    handle.cancel().await.unwrap();
    pool.stop().await.unwrap();
}

async fn listing_in_pages_returns_each_task_once(open: Open) {
    let omniq = omniq(open).await;
    let handles = omniq
        .enqueue_many((0..5).map(|_| call("echo").queue("q")))
        .await
        .unwrap();
    omniq.enqueue(call("echo").queue("other")).await.unwrap();
    let mut seen = Vec::new();
    let page = TaskFilter::new().queue("q").limit(2);
    let mut filter = page.clone();
    loop {
        let tasks = omniq.list_tasks(filter).await.unwrap();
        let Some(last) = tasks.last() else { break };
        filter = page.clone().after(last.id);
        seen.extend(tasks.iter().map(|task| task.id));
    }
    assert_eq!(seen, handles.iter().map(|h| h.id()).collect::<Vec<_>>());
}

async fn enqueueing_many_tasks_adds_all_or_none(open: Open) {
    let omniq = omniq(open).await;
    let orders = [call("a"), call("b").arg(f64::NAN), call("c")];
    let error = omniq.enqueue_many(orders).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Serialization);
    assert!(
        omniq
            .list_tasks(TaskFilter::new())
            .await
            .unwrap()
            .is_empty()
    );
    let none: [omniq::Order<()>; 0] = [];
    assert!(omniq.enqueue_many(none).await.unwrap().is_empty());
}
