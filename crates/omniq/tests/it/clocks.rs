//! Time passes, and clocks are set: what is due when, and what that must not cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use omniq::testing::ManualClock;
use omniq::{
    Args, AsyncOmniQ, Backoff, EventKind, SettingsBuilder, Storage, TaskContext, TaskError,
    TaskHandle, TaskStatus, call,
};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::failing::Failing;
use crate::setup::*;

scenarios!(
    passing_time_reaches_an_eta_and_not_before,
    passing_time_ends_the_wait_before_a_retry,
    passing_time_starts_the_next_run_of_a_series,
    passing_time_reaches_a_time_limit,
    passing_time_ends_retention,
    a_loop_of_ones_own_lives_by_the_clock,
    a_pool_of_another_runtime_hears_of_it,
    a_jump_forwards_is_noticed_at_the_next_check,
    a_jump_costs_a_running_handler_nothing,
    after_a_jump_back_what_is_due_stays_due,
    after_a_jump_back_nothing_runs_early,
    after_a_jump_back_nothing_spins,
);

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Settings under which no safety check comes in time: what happens has been woken.
fn patient() -> SettingsBuilder {
    quick().poll_interval(2 * CEILING).timeout(None)
}

async fn on(
    clock: &ManualClock,
    storage: Arc<dyn Storage>,
    settings: SettingsBuilder,
) -> AsyncOmniQ {
    let settings = settings.build().unwrap();
    clock.open(storage, settings).await.unwrap()
}

/// A task that is due at once runs; one that should not have run before it has not.
async fn others_run_but_not(omniq: &AsyncOmniQ, waiting: &TaskHandle<Value>) {
    let other = omniq.enqueue(call("echo")).await.unwrap();
    other.wait(CEILING).await.unwrap();
    assert_eq!(waiting.status().await.unwrap(), TaskStatus::Pending);
}

/// A handler that needs a permit to end.
async fn until_permitted(ctx: TaskContext, _: Args) -> Result<(), TaskError> {
    let permits = ctx.state::<Arc<Semaphore>>().unwrap();
    permits.acquire().await.unwrap().forget();
    Ok(())
}

async fn passing_time_reaches_an_eta_and_not_before(open: Open) {
    let clock = ManualClock::new();
    let omniq = on(&clock, open(), patient()).await;
    let mut events = omniq.events();
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let order = call("echo").arg(1).delay(3 * DAY);
    let handle = omniq.enqueue(order).await.unwrap();
    assert_eq!(started_at(&omniq, &handle).await, None);
    clock.advance(3 * DAY - Duration::from_micros(1));
    others_run_but_not(&omniq, &handle).await;
    clock.advance(Duration::from_micros(1));
    assert_eq!(handle.wait(CEILING).await.unwrap(), 1);
    assert_eq!(started_at(&omniq, &handle).await, Some(clock.now()));
    let told = event(&mut events, |kind| *kind == EventKind::Succeeded).await;
    assert!(told.at <= clock.now());
    pool.stop().await.unwrap();
}

async fn started_at<T>(omniq: &AsyncOmniQ, handle: &TaskHandle<T>) -> Option<omniq::Timestamp> {
    let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
    task.started_at
}

async fn passing_time_ends_the_wait_before_a_retry(open: Open) {
    let clock = ManualClock::new();
    let settings = patient().backoff(Backoff::Fixed(HOUR));
    let omniq = on(&clock, open(), settings).await;
    let mut events = omniq.events();
    let fail_first = |ctx: TaskContext, _: Args| async move {
        match ctx.attempt() {
            1 => Err(TaskError::retryable("no luck")),
            attempt => Ok(attempt),
        }
    };
    let worker = omniq.worker().handler("flaky", fail_first);
    let pool = worker.handler("echo", echo).start().await.unwrap();
    let handle = omniq.enqueue(call("flaky")).await.unwrap();
    event(&mut events, |kind| *kind == EventKind::Retried).await;
    clock.advance(HOUR / 2);
    others_run_but_not(&omniq, &handle).await;
    clock.advance(HOUR);
    assert_eq!(handle.wait(CEILING).await.unwrap(), 2);
    pool.stop().await.unwrap();
}

async fn passing_time_starts_the_next_run_of_a_series(open: Open) {
    let clock = ManualClock::new();
    let omniq = on(&clock, open(), patient()).await;
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
    let omniq = on(&clock, open(), patient()).await;
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
    let omniq = on(&clock, open(), patient().result_ttl(DAY)).await;
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

async fn a_loop_of_ones_own_lives_by_the_clock(open: Open) {
    let clock = ManualClock::new();
    let settings = patient().build().unwrap();
    let queue = clock.queue(open(), &settings).unwrap();
    queue.enqueue(call("later").delay(DAY)).await.unwrap();
    let none = queue.dequeue(&[], Duration::ZERO).await.unwrap();
    assert!(none.is_none());
    let (asking, asked) = (queue.dequeue(&[], CEILING), clock.clone());
    let (claim, ()) = tokio::join!(asking, async { asked.advance(DAY) });
    let claim = claim.unwrap().expect("it is due");
    assert_eq!(claim.started_at, Some(clock.now()));
    assert!(queue.complete_task(claim, 1).await.unwrap());
}

async fn a_pool_of_another_runtime_hears_of_it(open: Open) {
    let clock = ManualClock::new();
    let omniq = on(&clock, open(), patient()).await;
    let theirs = omniq.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let program = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let pool = theirs.worker().handler("echo", echo).start().await.unwrap();
            stopped.await.unwrap();
            pool.stop().await.unwrap();
        });
    });
    let handle = omniq.enqueue(call("echo").delay(DAY)).await.unwrap();
    others_run_but_not(&omniq, &handle).await;
    clock.advance(DAY);
    handle.wait(CEILING).await.unwrap();
    stop.send(()).unwrap();
    tokio::task::spawn_blocking(move || program.join().unwrap())
        .await
        .unwrap();
}

async fn a_jump_forwards_is_noticed_at_the_next_check(open: Open) {
    let clock = ManualClock::new();
    let omniq = on(&clock, open(), quick()).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let soon = omniq.enqueue(call("echo").delay(HOUR)).await.unwrap();
    let later = omniq.enqueue(call("echo").delay(2 * DAY)).await.unwrap();
    others_run_but_not(&omniq, &soon).await;
    clock.jump_to(clock.now().after(DAY));
    soon.wait(CEILING).await.unwrap();
    others_run_but_not(&omniq, &later).await;
    pool.stop().await.unwrap();
}

/// Lets another pool, on the real clock, look for lost owners for longer than this lease.
async fn sweep_for(storage: Arc<dyn Storage>, lease: Duration) {
    let omniq = with(storage, quick().lease(lease)).await;
    let pool = omniq.worker().handler("tick", echo).start().await.unwrap();
    let order = call("tick").delay(lease * 5 / 4);
    let tick = omniq.enqueue(order).await.unwrap();
    tick.wait(CEILING).await.unwrap();
    pool.stop().await.unwrap();
}

async fn a_jump_costs_a_running_handler_nothing(open: Open) {
    // Long enough for renewals to come in time on a machine that is busy.
    const LEASE: Duration = Duration::from_secs(2);
    let (clock, storage, permits) = (ManualClock::new(), open(), Arc::new(Semaphore::new(0)));
    let settings = quick().lease(LEASE).timeout(Duration::from_secs(60));
    let omniq = on(&clock, Arc::clone(&storage), settings).await;
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

async fn after_a_jump_back_what_is_due_stays_due(open: Open) {
    let (clock, permits) = (ManualClock::new(), Arc::new(Semaphore::new(0)));
    let omniq = on(&clock, open(), patient()).await;
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

async fn after_a_jump_back_nothing_runs_early(open: Open) {
    let clock = ManualClock::new();
    let omniq = on(&clock, open(), quick()).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let begin = clock.now();
    let before = omniq.enqueue(call("echo").delay(HOUR)).await.unwrap();
    others_run_but_not(&omniq, &before).await;
    clock.jump_to(begin.before(DAY));
    // This eta has been reached before, and lies ahead again.
    let order = call("echo").eta(begin.before(DAY / 2));
    let again = omniq.enqueue(order).await.unwrap();
    others_run_but_not(&omniq, &again).await;
    clock.advance(DAY / 2);
    again.wait(CEILING).await.unwrap();
    others_run_but_not(&omniq, &before).await;
    // The clock is set right again.
    clock.jump_to(begin.after(HOUR));
    before.wait(CEILING).await.unwrap();
    assert_eq!(started_at(&omniq, &before).await, Some(clock.now()));
    pool.stop().await.unwrap();
}

async fn after_a_jump_back_nothing_spins(open: Open) {
    const POLL: Duration = Duration::from_millis(20);
    const LOOKS: u32 = 20;
    let (clock, storage) = (ManualClock::new(), Failing::new(open));
    // What ends on the day before must not be forgotten on the day after.
    let settings = quick().poll_interval(POLL).result_ttl(10 * DAY);
    let omniq = on(&clock, storage.clone(), settings).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let begin = clock.now();
    let waiting = omniq.enqueue(call("echo").delay(HOUR)).await.unwrap();
    for wall in [begin.before(DAY), begin, begin.before(2 * DAY)] {
        clock.jump_to(wall);
        others_run_but_not(&omniq, &waiting).await;
        let mut looks = storage.asked.subscribe();
        let (since, already) = (Instant::now(), *looks.borrow());
        // A check is two looks, and some more follow the task above.
        let enough = looks.wait_for(|looks| *looks >= already + LOOKS);
        enough.await.unwrap();
        assert!(since.elapsed() >= POLL * (LOOKS / 4), "it spins");
    }
    pool.stop().await.unwrap();
}
