//! Passing time and clock jumps: when tasks become due, and what a jump must not break.

use std::sync::Arc;
use std::time::{Duration, Instant};

use omniq::testing::ManualClock;
use omniq::{
    Args, AsyncOmniQ, Backoff, EventKind, SettingsBuilder, Storage, TaskContext, TaskError,
    TaskHandle, TaskStatus, call,
};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::failing_storage::FailingStorage;
use crate::setup::*;

scenarios!(
    passing_time_reaches_an_eta_and_not_before,
    passing_time_ends_the_wait_before_a_retry,
    passing_time_starts_the_next_run_of_a_series,
    passing_time_reaches_a_time_limit,
    passing_time_ends_retention,
    a_custom_worker_loop_follows_the_clock,
    a_pool_on_another_runtime_follows_the_clock,
    a_jump_forwards_is_noticed_at_the_next_safety_check,
    a_jump_does_not_disturb_a_running_handler,
    due_tasks_stay_due_after_a_jump_back,
    no_task_runs_early_after_a_jump_back,
    a_pool_does_not_spin_after_a_jump_back,
);

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Returns settings whose safety check comes too late: whatever a pool does, a notification has woken it.
fn without_safety_checks() -> SettingsBuilder {
    quick().poll_interval(2 * CEILING).timeout(None)
}

async fn open_on(
    clock: &ManualClock,
    storage: Arc<dyn Storage>,
    settings: SettingsBuilder,
) -> AsyncOmniQ {
    let settings = settings.build().unwrap();
    clock.open(storage, settings).await.unwrap()
}

/// Checks that a task that is due immediately runs, and that `waiting` has not run before it.
async fn assert_others_run_but_not(omniq: &AsyncOmniQ, waiting: &TaskHandle<Value>) {
    let other = omniq.enqueue(call("echo")).await.unwrap();
    other.wait(CEILING).await.unwrap();
    assert_eq!(waiting.status().await.unwrap(), TaskStatus::Pending);
}

/// A handler that needs a permit to return.
async fn until_permitted(ctx: TaskContext, _: Args) -> Result<(), TaskError> {
    let permits = ctx.state::<Arc<Semaphore>>().unwrap();
    permits.acquire().await.unwrap().forget();
    Ok(())
}

async fn passing_time_reaches_an_eta_and_not_before(open: Open) {
    let clock = ManualClock::new();
    let omniq = open_on(&clock, open(), without_safety_checks()).await;
    let mut events = omniq.events();
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let order = call("echo").arg(1).delay(3 * DAY);
    let handle = omniq.enqueue(order).await.unwrap();
    assert_eq!(started_at(&omniq, &handle).await, None);
    clock.advance(3 * DAY - Duration::from_micros(1));
    assert_others_run_but_not(&omniq, &handle).await;
    clock.advance(Duration::from_micros(1));
    assert_eq!(handle.wait(CEILING).await.unwrap(), 1);
    assert_eq!(started_at(&omniq, &handle).await, Some(clock.now()));
    let succeeded = event(&mut events, |kind| *kind == EventKind::Succeeded).await;
    assert!(succeeded.at <= clock.now());
    pool.stop().await.unwrap();
}

async fn started_at<T>(omniq: &AsyncOmniQ, handle: &TaskHandle<T>) -> Option<omniq::Timestamp> {
    let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
    task.started_at
}

async fn passing_time_ends_the_wait_before_a_retry(open: Open) {
    let clock = ManualClock::new();
    let settings = without_safety_checks().backoff(Backoff::Fixed(HOUR));
    let omniq = open_on(&clock, open(), settings).await;
    let mut events = omniq.events();
    let fail_first = |ctx: TaskContext, _: Args| async move {
        match ctx.attempt() {
            1 => Err(TaskError::retryable("the first attempt fails")),
            attempt => Ok(attempt),
        }
    };
    let worker = omniq.worker().handler("flaky", fail_first);
    let pool = worker.handler("echo", echo).start().await.unwrap();
    let handle = omniq.enqueue(call("flaky")).await.unwrap();
    event(&mut events, |kind| *kind == EventKind::Retried).await;
    clock.advance(HOUR / 2);
    assert_others_run_but_not(&omniq, &handle).await;
    clock.advance(HOUR);
    assert_eq!(handle.wait(CEILING).await.unwrap(), 2);
    pool.stop().await.unwrap();
}

async fn passing_time_starts_the_next_run_of_a_series(open: Open) {
    let clock = ManualClock::new();
    let omniq = open_on(&clock, open(), without_safety_checks()).await;
    let mut events = omniq.events();
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    omniq.enqueue(call("echo").interval(DAY)).await.unwrap();
    for _ in 0..3 {
        event(&mut events, |kind| *kind == EventKind::Succeeded).await;
        clock.advance(DAY);
    }
    pool.stop().await.unwrap();
}

async fn passing_time_reaches_a_time_limit(open: Open) {
    let clock = ManualClock::new();
    let omniq = open_on(&clock, open(), without_safety_checks()).await;
    let mut events = omniq.events();
    let worker = omniq.worker().handler("forever", forever);
    let pool = worker.handler("echo", echo).start().await.unwrap();
    let order = call("forever").timeout(HOUR).max_attempts(1);
    let handle = omniq.enqueue(order).await.unwrap();
    started(&mut events).await;
    clock.advance(HOUR);
    let error = handle.wait(CEILING).await.unwrap_err();
    assert_eq!(error.task_error().unwrap().error_type, "timeout");
    pool.stop().await.unwrap();
}

async fn passing_time_ends_retention(open: Open) {
    let clock = ManualClock::new();
    let omniq = open_on(&clock, open(), without_safety_checks().result_ttl(DAY)).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let old = omniq.enqueue(call("echo")).await.unwrap();
    old.wait(CEILING).await.unwrap();
    clock.advance(DAY / 2);
    let young = omniq.enqueue(call("echo")).await.unwrap();
    young.wait(CEILING).await.unwrap();
    clock.advance(DAY / 2);
    while omniq.get_task(old.id()).await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    assert!(omniq.get_task(young.id()).await.unwrap().is_some());
    pool.stop().await.unwrap();
}

async fn a_custom_worker_loop_follows_the_clock(open: Open) {
    let clock = ManualClock::new();
    let settings = without_safety_checks().build().unwrap();
    let queue = clock.queue(open(), &settings).unwrap();
    queue.enqueue(call("later").delay(DAY)).await.unwrap();
    let early = queue.dequeue(&[], Duration::ZERO).await.unwrap();
    assert!(early.is_none());
    let (claim, ()) = tokio::join!(queue.dequeue(&[], CEILING), async { clock.advance(DAY) });
    let claim = claim.unwrap().expect("it is due");
    assert_eq!(claim.started_at, Some(clock.now()));
    assert!(queue.complete_task(claim, 1).await.unwrap());
}

async fn a_pool_on_another_runtime_follows_the_clock(open: Open) {
    let clock = ManualClock::new();
    let omniq = open_on(&clock, open(), without_safety_checks()).await;
    let other = omniq.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let program = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let pool = other.worker().handler("echo", echo).start().await.unwrap();
            stopped.await.unwrap();
            pool.stop().await.unwrap();
        });
    });
    let handle = omniq.enqueue(call("echo").delay(DAY)).await.unwrap();
    assert_others_run_but_not(&omniq, &handle).await;
    clock.advance(DAY);
    handle.wait(CEILING).await.unwrap();
    stop.send(()).unwrap();
    tokio::task::spawn_blocking(move || program.join().unwrap())
        .await
        .unwrap();
}

async fn a_jump_forwards_is_noticed_at_the_next_safety_check(open: Open) {
    let clock = ManualClock::new();
    let omniq = open_on(&clock, open(), quick()).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let soon = omniq.enqueue(call("echo").delay(HOUR)).await.unwrap();
    let later = omniq.enqueue(call("echo").delay(2 * DAY)).await.unwrap();
    assert_others_run_but_not(&omniq, &soon).await;
    clock.jump_to(clock.now().after(DAY));
    soon.wait(CEILING).await.unwrap();
    assert_others_run_but_not(&omniq, &later).await;
    pool.stop().await.unwrap();
}

/// Lets another pool, on the real clock, check for dead owners for longer than this lease.
async fn sweep_for(storage: Arc<dyn Storage>, lease: Duration) {
    let omniq = with(storage, quick().lease(lease)).await;
    let pool = omniq.worker().handler("tick", echo).start().await.unwrap();
    let order = call("tick").delay(lease * 5 / 4);
    let tick = omniq.enqueue(order).await.unwrap();
    tick.wait(CEILING).await.unwrap();
    pool.stop().await.unwrap();
}

async fn a_jump_does_not_disturb_a_running_handler(open: Open) {
    // The lease is long enough for renewals to come in time on a busy machine.
    const LEASE: Duration = Duration::from_secs(2);
    let (clock, storage, permits) = (ManualClock::new(), open(), Arc::new(Semaphore::new(0)));
    let settings = quick().lease(LEASE).timeout(Duration::from_secs(60));
    let omniq = open_on(&clock, Arc::clone(&storage), settings).await;
    let mut events = omniq.events();
    let worker = omniq.worker().handler("long", until_permitted);
    let worker = worker.state(Arc::clone(&permits)).handler("echo", echo);
    let pool = worker.start().await.unwrap();
    let begin = clock.now();
    let handle = omniq.enqueue(call("long")).await.unwrap();
    started(&mut events).await;
    for away in [begin.after(DAY), begin.before(DAY)] {
        clock.jump_to(away);
        let other = omniq.enqueue(call("echo")).await.unwrap();
        other.wait(CEILING).await.unwrap();
        sweep_for(Arc::clone(&storage), LEASE).await;
    }
    permits.add_permits(1);
    handle.wait(CEILING).await.unwrap();
    let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
    assert_eq!((task.attempts, task.lease, task.crashes), (1, 1, 0));
    assert_eq!(task.finished_at, Some(clock.now()));
    pool.stop().await.unwrap();
}

async fn due_tasks_stay_due_after_a_jump_back(open: Open) {
    let (clock, permits) = (ManualClock::new(), Arc::new(Semaphore::new(0)));
    let omniq = open_on(&clock, open(), without_safety_checks()).await;
    let mut events = omniq.events();
    let worker = omniq.worker().concurrency(1).prefetch(0);
    let worker = worker.handler("long", until_permitted);
    let pool = worker.state(Arc::clone(&permits)).start().await.unwrap();
    let mut handles = vec![omniq.enqueue(call("long")).await.unwrap()];
    started(&mut events).await;
    handles.push(omniq.enqueue(call("long")).await.unwrap());
    clock.jump_to(clock.now().before(DAY));
    handles.push(omniq.enqueue(call("long")).await.unwrap());
    permits.add_permits(3);
    for handle in handles {
        handle.wait(CEILING).await.unwrap();
    }
    pool.stop().await.unwrap();
}

async fn no_task_runs_early_after_a_jump_back(open: Open) {
    let clock = ManualClock::new();
    let omniq = open_on(&clock, open(), quick()).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let begin = clock.now();
    let before = omniq.enqueue(call("echo").delay(HOUR)).await.unwrap();
    assert_others_run_but_not(&omniq, &before).await;
    clock.jump_to(begin.before(DAY));
    // The clock has passed this eta before; now it lies ahead again.
    let order = call("echo").eta(begin.before(DAY / 2));
    let again = omniq.enqueue(order).await.unwrap();
    assert_others_run_but_not(&omniq, &again).await;
    clock.advance(DAY / 2);
    again.wait(CEILING).await.unwrap();
    assert_others_run_but_not(&omniq, &before).await;
    // The clock is corrected.
    clock.jump_to(begin.after(HOUR));
    before.wait(CEILING).await.unwrap();
    assert_eq!(started_at(&omniq, &before).await, Some(clock.now()));
    pool.stop().await.unwrap();
}

async fn a_pool_does_not_spin_after_a_jump_back(open: Open) {
    const POLL: Duration = Duration::from_millis(20);
    const CLAIMS: u32 = 20;
    let (clock, storage) = (ManualClock::new(), FailingStorage::new(open));
    // The retention is long, so that no task that finished before a jump is deleted after it.
    let settings = quick().poll_interval(POLL).result_ttl(10 * DAY);
    let omniq = open_on(&clock, storage.clone(), settings).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let begin = clock.now();
    let waiting = omniq.enqueue(call("echo").delay(HOUR)).await.unwrap();
    for wall in [begin.before(DAY), begin, begin.before(2 * DAY)] {
        clock.jump_to(wall);
        assert_others_run_but_not(&omniq, &waiting).await;
        let mut claims = storage.claim_calls.subscribe();
        let (since, already) = (Instant::now(), *claims.borrow());
        // A safety check makes two claims, and the task above causes a few more.
        let enough = claims.wait_for(|claims| *claims >= already + CLAIMS);
        enough.await.unwrap();
        assert!(since.elapsed() >= POLL * (CLAIMS / 4), "the pool spins");
    }
    pool.stop().await.unwrap();
}
