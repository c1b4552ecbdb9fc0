//! The queue without a pool: a worker loop that claims and settles tasks itself.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use omniq::{AsyncTaskQueue, EventKind, TaskError, TaskStatus, call};

use crate::setup::*;

scenarios!(
    a_claim_can_be_completed_failed_or_released,
    a_dropped_claim_is_released,
    a_claim_renews_its_lease_by_itself,
    a_completion_after_a_cancel_is_refused_and_releases_the_task,
    a_result_that_is_too_large_fails_the_task,
    dequeue_waits_for_work_and_for_an_eta,
    a_dropped_dequeue_loses_no_task,
    only_tasks_of_the_named_queues_are_claimed,
);

fn queue(open: Open) -> AsyncTaskQueue {
    AsyncTaskQueue::new(open(), &quick().build().unwrap()).unwrap()
}

async fn a_claim_can_be_completed_failed_or_released(open: Open) {
    let queue = queue(open);
    let id = queue
        .enqueue(call("f").arg(1).max_attempts(2))
        .await
        .unwrap();
    let claim = queue.dequeue(&[], CEILING).await.unwrap().unwrap();
    assert_eq!(
        (claim.id(), claim.lease(), claim.name.as_str()),
        (id, 1, "f")
    );
    assert!(queue.release_task(claim).await.unwrap());
    let claim = queue.dequeue(&[], CEILING).await.unwrap().unwrap();
    assert_eq!(claim.attempts, 1, "the released attempt does not count");
    assert!(claim.lease() > 1);
    assert!(
        queue
            .fail_task(claim, TaskError::retryable("again"))
            .await
            .unwrap()
    );
    assert!(queue.get_result(id).await.unwrap().is_none());
    let claim = queue.dequeue(&[], CEILING).await.unwrap().unwrap();
    assert!(queue.complete_task(claim, "done").await.unwrap());
    let result = queue.get_result(id).await.unwrap().unwrap();
    assert_eq!(result.decode::<String>().unwrap(), "done");
    assert!(queue.dequeue(&[], Duration::ZERO).await.unwrap().is_none());
}

async fn a_dropped_claim_is_released(open: Open) {
    let queue = queue(open);
    queue.enqueue(call("f")).await.unwrap();
    drop(queue.dequeue(&[], CEILING).await.unwrap().unwrap());
    let claim = queue.dequeue(&[], CEILING).await.unwrap().unwrap();
    assert_eq!(claim.attempts, 1, "the released attempt does not count");
    queue.release_task(claim).await.unwrap();
}

async fn a_claim_renews_its_lease_by_itself(open: Open) {
    let (storage, settings) = (open(), quick().lease(Duration::from_millis(500)));
    let omniq = with(storage.clone(), settings).await;
    let queue = AsyncTaskQueue::new(storage, omniq.settings()).unwrap();
    let mut events = omniq.events();
    // The pool sweeps. A second task succeeds after three times the lease.
    let worker = omniq.worker().handler("tick", echo);
    let _pool = worker.start().await.unwrap();
    queue.enqueue(call("f")).await.unwrap();
    let claim = queue.dequeue(&[], CEILING).await.unwrap().unwrap();
    let tick = call("tick").delay(Duration::from_millis(1500));
    omniq.enqueue(tick).await.unwrap();
    let succeeded = event(&mut events, |kind| *kind == EventKind::Succeeded).await;
    assert_eq!(succeeded.name, "tick");
    assert!(
        queue.complete_task(claim, ()).await.unwrap(),
        "the lease is still valid"
    );
}

async fn a_completion_after_a_cancel_is_refused_and_releases_the_task(open: Open) {
    let queue = queue(open);
    let id = queue.enqueue(call("f").unique_key("k")).await.unwrap();
    let claim = queue.dequeue(&[], CEILING).await.unwrap().unwrap();
    assert!(queue.cancel_task(id).await.unwrap());
    assert!(!queue.complete_task(claim, 1).await.unwrap());
    let task = queue.get_task(id).await.unwrap().unwrap();
    assert_eq!((task.status, task.owner), (TaskStatus::Cancelled, None));
    assert!(queue.requeue_task(id).await.unwrap());
    let claim = queue.dequeue(&[], CEILING).await.unwrap().unwrap();
    queue.cancel_task(id).await.unwrap();
    drop(claim);
    assert!(
        queue.requeue_task(id).await.unwrap(),
        "the drop releases the task too"
    );
}

async fn a_result_that_is_too_large_fails_the_task(open: Open) {
    let settings = quick().max_payload(50).build().unwrap();
    let queue = AsyncTaskQueue::new(open(), &settings).unwrap();
    let id = queue.enqueue(call("f")).await.unwrap();
    let claim = queue.dequeue(&[], CEILING).await.unwrap().unwrap();
    assert!(queue.complete_task(claim, "x".repeat(60)).await.unwrap());
    let error = queue.get_result(id).await.unwrap().unwrap().error.unwrap();
    assert_eq!(
        (error.error_type.as_str(), error.is_retryable),
        ("result", false)
    );
}

async fn dequeue_waits_for_work_and_for_an_eta(open: Open) {
    let queue = queue(open.clone());
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.dequeue(&[], CEILING).await.unwrap().unwrap().id() }
    });
    tokio::task::yield_now().await;
    let id = queue.enqueue(call("f")).await.unwrap();
    assert_eq!(waiting.await.unwrap(), id);
    let queue = self::queue(open);
    let hour = Duration::from_secs(3600);
    let id = queue.enqueue(call("f").delay(hour)).await.unwrap();
    for wait in [Duration::ZERO, Duration::from_millis(5)] {
        assert!(queue.dequeue(&[], wait).await.unwrap().is_none());
    }
    let soon = SystemTime::now() + Duration::from_millis(40);
    assert!(queue.reschedule_task(id, soon).await.unwrap());
    let claim = queue.dequeue(&[], CEILING).await.unwrap().unwrap();
    assert_eq!(claim.id(), id);
    assert!(claim.started_at.unwrap() >= claim.eta);
}

async fn a_dropped_dequeue_loses_no_task(open: Open) {
    const TASKS: usize = 200;
    let queue = queue(open);
    for _ in 0..TASKS {
        let mut enqueue = pin!(queue.enqueue(call("f")));
        tokio::select! {
            claim = queue.dequeue(&[], CEILING) => {
                drop(claim.unwrap());
                enqueue.await.unwrap();
            }
            id = &mut enqueue => drop(id.unwrap()),
        }
    }
    for _ in 0..TASKS {
        let claim = queue.dequeue(&[], CEILING).await.unwrap();
        let completed = queue.complete_task(claim.expect("a task was lost"), ());
        assert!(completed.await.unwrap());
    }
    assert!(queue.dequeue(&[], Duration::ZERO).await.unwrap().is_none());
}

async fn only_tasks_of_the_named_queues_are_claimed(open: Open) {
    let queue = queue(open);
    queue.enqueue(call("f").queue("a")).await.unwrap();
    let second = queue.enqueue(call("f").queue("b")).await.unwrap();
    let claim = queue.dequeue(&["b", "c"], CEILING).await.unwrap().unwrap();
    assert_eq!(claim.id(), second);
    assert!(
        queue
            .dequeue(&["b", "c"], Duration::ZERO)
            .await
            .unwrap()
            .is_none()
    );
}
