//! Which tasks a pool takes, and which settings it refuses to start with.

use std::time::Duration;

use omniq::{AsyncTaskQueue, ErrorKind, EventKind, TaskStatus, WorkerBuilder, call};

use crate::setup::*;

scenarios!(
    tasks_without_a_handler_stay_and_are_counted_as_unhandled,
    a_pool_with_invalid_settings_is_refused,
    only_named_queues_are_served,
    the_task_of_a_dead_owner_is_taken_over,
    a_task_fails_at_its_last_allowed_crash,
    the_lease_of_a_long_handler_is_renewed,
    prefetched_tasks_that_cannot_start_soon_are_released,
);

async fn tasks_without_a_handler_stay_and_are_counted_as_unhandled(open: Open) {
    let omniq = omniq(open).await;
    let unhandled = omniq.enqueue(call("unhandled")).await.unwrap();
    let later = call("unhandled").delay(Duration::from_secs(60));
    omniq.enqueue(later).await.unwrap();
    let own = omniq.enqueue(call("echo")).await.unwrap();
    let before = omniq.stats().await.unwrap().unhandled;
    assert_eq!((before["echo"], before["unhandled"]), (1, 1));
    let pool = omniq
        .clone()
        .worker()
        .handler("echo", echo)
        .start()
        .await
        .unwrap();
    own.wait(CEILING).await.unwrap();
    let second = omniq
        .enqueue(call("echo").delay(Duration::from_secs(60)))
        .await
        .unwrap();
    omniq
        .reschedule_task(second.id(), omniq::Timestamp(0))
        .await
        .unwrap();
    let stats = omniq.stats().await.unwrap();
    assert_eq!(stats.unhandled.len(), 1, "{stats:?}");
    assert_eq!(stats.unhandled["unhandled"], 1);
    second.wait(CEILING).await.unwrap();
    pool.stop().await.unwrap();
    assert_eq!(unhandled.status().await.unwrap(), TaskStatus::Pending);
    omniq.enqueue(call("echo")).await.unwrap();
    assert_eq!(
        omniq.stats().await.unwrap().unhandled["echo"],
        1,
        "no pool runs any more"
    );
}

async fn a_pool_with_invalid_settings_is_refused(open: Open) {
    let omniq = omniq(open).await;
    let good = || omniq.worker().handler("echo", echo);
    let cases: [(WorkerBuilder, &str); 7] = [
        (omniq.worker(), "no handler"),
        (good().handler("echo", forever), "\"echo\""),
        (good().handler("", echo), "name is empty"),
        (good().concurrency(0), "concurrency is 0"),
        (good().queues(["a", ""]), "empty name"),
        (good().queues([""; 0]), "list of queues is empty"),
        (good().prefetch(1_000_000), "prefetch"),
    ];
    for (builder, expected) in cases {
        let error = builder.start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
        assert!(
            error.to_string().contains(expected),
            "{expected} in {error}"
        );
    }
    omniq.enqueue(call("echo")).await.unwrap();
    assert_eq!(
        omniq.stats().await.unwrap().unhandled["echo"],
        1,
        "no pool has started"
    );
}

async fn only_named_queues_are_served(open: Open) {
    let omniq = omniq(open).await;
    let elsewhere = omniq.enqueue(call("echo").queue("b")).await.unwrap();
    let worker = omniq.worker().queues(["a"]).handler("echo", echo);
    let pool = worker.start().await.unwrap();
    let here = omniq.enqueue(call("echo").queue("a")).await.unwrap();
    here.wait(CEILING).await.unwrap();
    assert_eq!(omniq.stats().await.unwrap().unhandled["echo"], 1);
    pool.stop().await.unwrap();
    assert_eq!(elsewhere.status().await.unwrap(), TaskStatus::Pending);
}

/// Claims a task and never renews its lease, as if the owner had died.
async fn claim_and_vanish(storage: &dyn omniq::Storage, lease_for: Duration) {
    use omniq::storage::{ClaimFilter, ClaimRequest};
    let now = std::time::SystemTime::now().into();
    let owner = omniq::storage::OwnerId::from_i64(1).unwrap();
    let request = ClaimRequest::new(owner, ClaimFilter::any(), now, lease_for);
    let claimed = storage.claim(request).await.unwrap();
    assert_eq!(claimed.tasks.len(), 1);
    storage.mark_started(owner, 0, claimed.tasks[0].lease());
}

async fn the_task_of_a_dead_owner_is_taken_over(open: Open) {
    let (storage, lease) = (open(), Duration::from_millis(100));
    let omniq = with(storage.clone(), quick().lease(lease)).await;
    let mut events = omniq.events();
    let handle = omniq.enqueue(call("echo").arg(8)).await.unwrap();
    claim_and_vanish(&*storage, lease).await;
    let _pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let taken = event(&mut events, |kind| *kind == EventKind::TakenOver).await;
    assert_eq!(taken.id, handle.id());
    assert_eq!(handle.wait(CEILING).await.unwrap(), 8);
    let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
    assert_eq!(task.attempts, 1, "the released attempt does not count");
    assert!(task.lease > 1);
}

async fn a_task_fails_at_its_last_allowed_crash(open: Open) {
    let (storage, lease) = (open(), Duration::from_millis(50));
    let settings = quick().lease(lease).max_crashes(1);
    let omniq = with(storage.clone(), settings).await;
    let handle = omniq.enqueue(call("echo")).await.unwrap();
    claim_and_vanish(&*storage, lease).await;
    let _pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let error = handle.wait(CEILING).await.unwrap_err();
    assert_eq!(error.task_error().unwrap().error_type, "crash");
}

async fn the_lease_of_a_long_handler_is_renewed(open: Open) {
    let omniq = with(open(), quick().lease(Duration::from_millis(500))).await;
    let sweeper = omniq.worker().handler("other", echo).start().await.unwrap();
    let slow = |ctx: omniq::TaskContext, _: omniq::Args| async move {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Ok::<_, omniq::TaskError>(ctx.lease())
    };
    let pool = omniq.worker().handler("slow", slow).start().await.unwrap();
    let handle = omniq.enqueue(call("slow")).await.unwrap();
    assert_eq!(
        handle.wait(CEILING).await.unwrap(),
        1,
        "the task was claimed once"
    );
    pool.stop().await.unwrap();
    sweeper.stop().await.unwrap();
}

async fn prefetched_tasks_that_cannot_start_soon_are_released(open: Open) {
    let storage = open();
    let omniq = with(storage.clone(), quick()).await;
    let mut events = omniq.events();
    let orders = (0..3).map(|_| call("long"));
    let handles = omniq.enqueue_many(orders).await.unwrap();
    let worker = omniq.worker().concurrency(1).prefetch(5);
    let pool = worker
        .handler("long", until_cancelled)
        .start()
        .await
        .unwrap();
    let running = started(&mut events).await.id;
    for _ in 0..2 {
        assert_ne!(released(&mut events).await.id, running);
    }
    let queue = AsyncTaskQueue::new(storage, omniq.settings()).unwrap();
    for _ in 0..2 {
        let claim = queue.dequeue(&[], CEILING).await.unwrap().unwrap();
        assert_eq!(claim.attempts, 1, "the released attempt does not count");
        assert!(queue.complete_task(claim, ()).await.unwrap());
    }
    let busy = handles
        .iter()
        .find(|handle| handle.id() == running)
        .unwrap();
    busy.cancel().await.unwrap();
    pool.stop().await.unwrap();
}
