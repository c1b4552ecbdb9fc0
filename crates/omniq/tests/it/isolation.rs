//! A blocked runtime, or a dead owner, does not disturb other tasks and callers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use omniq::storage::{ClaimFilter, ClaimRequest};
use omniq::storage::{CoreSettings, OwnerId};
use omniq::{
    Args, AsyncOmniQ, EventKind, Storage, TaskContext, TaskError, TaskId, TaskStatus, Timestamp,
    call,
};

use tokio::sync::Notify;

use crate::setup::{CEILING, Open, echo, event, forever, quick, scenarios, started, with};

scenarios!(
    a_handler_that_blocks_its_runtime_does_not_cost_others_their_lease,
    tasks_that_a_dead_owner_was_running_run_one_at_a_time,
    tasks_of_a_dead_owner_leave_free_seats_for_others,
    a_wait_does_not_depend_on_the_runtime_of_an_earlier_wait,
    a_requeue_after_the_owner_died_does_not_need_a_pool,
);

const LEASE: Duration = Duration::from_millis(400);

/// Runs a program with one runtime thread, which a handler blocks.
fn blocked_program(
    omniq: AsyncOmniQ,
    started_block: mpsc::Sender<()>,
    unblock: mpsc::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let unblock = Arc::new(Mutex::new(unblock));
    runtime.block_on(async move {
        let unblocked = Arc::new(Notify::new());
        let notify = Arc::clone(&unblocked);
        let block = move |_: TaskContext, _: Args| {
            let (started_block, unblock) = (started_block.clone(), unblock.clone());
            let notify = Arc::clone(&notify);
            async move {
                started_block.send(()).unwrap();
                unblock.lock().unwrap().recv().unwrap();
                notify.notify_one();
                Ok::<_, TaskError>(())
            }
        };
        let neighbour = move |_: TaskContext, _: Args| {
            let unblocked = Arc::clone(&unblocked);
            async move {
                unblocked.notified().await;
                Ok::<_, TaskError>(())
            }
        };
        let mut events = omniq.events();
        let worker = omniq.worker().handler("block", block);
        let pool = worker
            .handler("neighbour", neighbour)
            .start()
            .await
            .unwrap();
        let neighbour = omniq.enqueue(call("neighbour")).await.unwrap();
        started(&mut events).await;
        let blocked = omniq.enqueue(call("block")).await.unwrap();
        for handle in [blocked, neighbour] {
            handle.wait(CEILING).await.unwrap();
            let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
            assert_eq!(
                (task.lease, task.crashes),
                (1, 0),
                "no other pool took it over"
            );
        }
        pool.stop().await.unwrap();
    });
}

async fn a_handler_that_blocks_its_runtime_does_not_cost_others_their_lease(open: Open) {
    let storage = open();
    let blocked = with(Arc::clone(&storage), quick().lease(LEASE)).await;
    let (started_block, block_started) = mpsc::channel();
    let (unblock, unblocked) = mpsc::channel();
    let program = std::thread::spawn(move || blocked_program(blocked, started_block, unblocked));
    tokio::task::spawn_blocking(move || block_started.recv().unwrap())
        .await
        .unwrap();

    // Another pool sweeps meanwhile. Four tasks with a delay make it run for four times the lease.
    let other = with(storage, quick().lease(LEASE)).await;
    let pool = other.worker().handler("tick", echo).start().await.unwrap();
    for _ in 0..4 {
        let tick = other.enqueue(call("tick").delay(LEASE)).await.unwrap();
        tick.wait(CEILING).await.unwrap();
    }
    unblock.send(()).unwrap();
    tokio::task::spawn_blocking(move || program.join().unwrap())
        .await
        .unwrap();
    pool.stop().await.unwrap();
}

/// Claims and starts tasks for an owner that never renews its leases.
async fn claim_and_die(storage: &Arc<dyn Storage>, tasks: usize) {
    let owner = OwnerId::from_i64(666).unwrap();
    let now = Timestamp::from(std::time::SystemTime::now());
    let request = ClaimRequest::new(owner, ClaimFilter::any(), now, LEASE / 4).limit(tasks);
    let claimed = storage.claim(request).await.unwrap();
    assert_eq!(claimed.tasks.len(), tasks);
    for (seat, task) in claimed.tasks.iter().enumerate() {
        storage.mark_started(owner, seat, task.lease());
    }
}

/// Adds tasks that were running when their owner died, and waits until they are taken over and due again.
async fn add_tasks_of_a_dead_owner(
    storage: &Arc<dyn Storage>,
    omniq: &AsyncOmniQ,
    tasks: usize,
) -> Vec<TaskId> {
    let defaults = CoreSettings::default();
    let new = (0..tasks).map(|_| call("alone").into_new_task(&defaults).unwrap());
    let now = Timestamp::from(std::time::SystemTime::now());
    let added = storage.enqueue(new.collect(), now).await.unwrap();
    claim_and_die(storage, tasks).await;
    let mut events = omniq.events();
    let sweeper = omniq.worker().handler("other", echo).start().await.unwrap();
    for _ in 0..tasks {
        let taken = event(&mut events, |kind| *kind == EventKind::TakenOver).await;
        // This ends the wait after a crash, so that all of them are due.
        assert!(omniq.reschedule_task(taken.id, now).await.unwrap());
    }
    sweeper.stop().await.unwrap();
    added.into_iter().map(|answer| answer.id()).collect()
}

async fn tasks_of_a_dead_owner_leave_free_seats_for_others(open: Open) {
    let storage = open();
    let omniq = with(Arc::clone(&storage), quick().lease(LEASE)).await;
    let tasks = add_tasks_of_a_dead_owner(&storage, &omniq, 4).await;
    let mut events = omniq.events();
    let worker = omniq.worker().concurrency(2).handler("alone", forever);
    let worker = worker.handler("echo", echo).grace(Duration::ZERO);
    let pool = worker.start().await.unwrap();
    started(&mut events).await;
    for n in 0..10 {
        let handle = omniq.enqueue(call("echo").arg(n)).await.unwrap();
        assert_eq!(handle.wait(CEILING).await.unwrap(), n);
    }
    assert_eq!(pool.stop().await.unwrap().left, 0);
    for id in tasks {
        let task = omniq.get_task(id).await.unwrap().unwrap();
        assert_eq!((task.status, task.attempts), (TaskStatus::Pending, 0));
    }
}

async fn tasks_that_a_dead_owner_was_running_run_one_at_a_time(open: Open) {
    let storage = open();
    let omniq = with(Arc::clone(&storage), quick().lease(LEASE)).await;
    let tasks = add_tasks_of_a_dead_owner(&storage, &omniq, 6).await;
    let running = Arc::new(AtomicUsize::new(0));
    let alone = move |_: TaskContext, _: Args| {
        let running = Arc::clone(&running);
        async move {
            let others = running.fetch_add(1, Ordering::SeqCst);
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            running.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, TaskError>(others)
        }
    };
    let worker = omniq.worker().concurrency(4).handler("alone", alone);
    let pool = worker.start().await.unwrap();
    for id in tasks {
        let others: usize = omniq.handle(id).wait(CEILING).await.unwrap();
        assert_eq!(others, 0);
        let task = omniq.get_task(id).await.unwrap().unwrap();
        assert_eq!((task.crashes, task.attempts), (1, 1));
    }
    pool.stop().await.unwrap();
}

async fn a_wait_does_not_depend_on_the_runtime_of_an_earlier_wait(open: Open) {
    let omniq = with(open(), quick()).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let (first, second) = (omniq.clone(), omniq.clone());
    let idle_runtime = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let handle = first.enqueue(call("echo").arg(1)).await.unwrap();
            handle.wait(CEILING).await.unwrap();
        });
        runtime
    })
    .await
    .unwrap();
    let handle = second.enqueue(call("echo").arg(2)).await.unwrap();
    handle.wait(CEILING).await.unwrap();
    // If the wait needed the other runtime, only the read at the end of its time limit would find the result.
    let unfinished = second.enqueue(call("unhandled")).await.unwrap();
    let cancel_and_wait = async {
        unfinished.cancel().await.unwrap();
        unfinished.wait(Duration::MAX).await
    };
    let ended = tokio::time::timeout(CEILING, cancel_and_wait)
        .await
        .unwrap();
    assert!(ended.is_err());
    idle_runtime.shutdown_background();
    pool.stop().await.unwrap();
}

async fn a_requeue_after_the_owner_died_does_not_need_a_pool(open: Open) {
    let storage = open();
    let omniq = with(Arc::clone(&storage), quick().lease(LEASE)).await;
    let handle = omniq.enqueue(call("echo")).await.unwrap();
    claim_and_die(&storage, 1).await;
    assert!(handle.cancel().await.unwrap());
    let requeued = tokio::time::timeout(CEILING, omniq.requeue_task(handle.id())).await;
    assert!(requeued.unwrap().unwrap());
    let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
    assert_eq!((task.attempts, task.owner), (0, None));
}
