//! How far a task is, for everybody to see.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use omniq::{
    Args, AsyncOmniQ, EventKind, Progress, Task, TaskContext, TaskError, TaskId, TaskStatus, call,
};
use omniq_core::{Outcome, Storage as _, Timestamp, settle};
use tokio::sync::Semaphore;

use crate::failing::Failing;
use crate::setup::*;

scenarios!(
    others_see_how_far_a_running_task_is,
    a_new_attempt_begins_without,
    a_busy_handler_costs_few_writes,
    one_write_does_for_all_tasks_of_a_pool,
    without_progress_nothing_is_written,
    a_lost_lease_tells_nothing,
    progress_outlives_a_write_that_fails,
    a_last_word_that_fails_holds_nothing_up,
);

/// The least time from one write to the next.
const PAUSE: Duration = Duration::from_millis(500);

/// What holds handlers back: each needs a permit to go on.
type Gate = Arc<Semaphore>;

fn shut() -> Gate {
    Arc::new(Semaphore::new(0))
}

async fn pass(ctx: &TaskContext) -> Result<(), TaskError> {
    ctx.state::<Gate>()?.acquire().await.unwrap().forget();
    Ok(())
}

/// Tells what its arguments say, then waits at the gate.
async fn tell(ctx: TaskContext, args: Args) -> Result<(), TaskError> {
    let (fraction, message): (f64, String) = args.bind(&["fraction", "message"])?;
    ctx.progress(fraction, &message);
    pass(&ctx).await
}

async fn task(omniq: &AsyncOmniQ, id: TaskId) -> Task {
    omniq.get_task(id).await.unwrap().unwrap()
}

/// Waits for a progress that is on its way to the storage.
async fn progress(omniq: &AsyncOmniQ, id: TaskId) -> Progress {
    loop {
        if let Some(progress) = task(omniq, id).await.progress {
            return progress;
        }
        tokio::task::yield_now().await;
    }
}

async fn others_see_how_far_a_running_task_is(open: Open) {
    let storage = open();
    let here = with(Arc::clone(&storage), quick()).await;
    let there = with(storage, quick()).await;
    let (mut events, gate) = (here.events(), shut());
    let worker = here.worker().state(gate.clone()).handler("tell", tell);
    let pool = worker.start().await.unwrap();
    let long = "größe ".repeat(1000);
    let order = call("tell").arg(7.5).arg(&long);
    let handle = there.enqueue(order).await.unwrap();
    let like = |kind: &EventKind| matches!(kind, EventKind::Progressed { .. });
    let told = event(&mut events, like).await;
    let message = long.clone();
    let kind = EventKind::Progressed {
        fraction: 1.0,
        message,
    };
    assert_eq!((told.id, told.kind), (handle.id(), kind));

    let seen = progress(&there, handle.id()).await;
    assert_eq!(seen, Progress::new(1.0, &long, seen.at));
    let running = task(&there, handle.id()).await;
    assert_eq!(running.status, TaskStatus::Running);
    assert_eq!(running.progress.as_ref(), Some(&seen));
    gate.add_permits(1);
    handle.wait(CEILING).await.unwrap();
    assert_eq!(task(&there, handle.id()).await.progress, Some(seen));
    pool.stop().await.unwrap();
}

async fn a_new_attempt_begins_without(open: Open) {
    let omniq = omniq(open).await;
    let (mut events, gate) = (omniq.events(), shut());
    let twice = |ctx: TaskContext, _: Args| async move {
        if ctx.attempt() == 1 {
            ctx.progress(0.25, "begun");
            ctx.progress(0.5, "and broken");
            return Err(TaskError::retry_after(Duration::from_secs(3600)));
        }
        pass(&ctx).await
    };
    let worker = omniq.worker().state(gate.clone()).handler("twice", twice);
    let pool = worker.start().await.unwrap();
    let handle = omniq.enqueue(call("twice")).await.unwrap();
    event(&mut events, |kind| *kind == EventKind::Retried).await;
    let broken = task(&omniq, handle.id()).await.progress.unwrap();
    assert_eq!(broken, Progress::new(0.5, "and broken", broken.at));
    let moved = omniq.reschedule_task(handle.id(), SystemTime::now());
    assert!(moved.await.unwrap());
    started(&mut events).await;
    assert_eq!(task(&omniq, handle.id()).await.progress, None);
    gate.add_permits(1);
    handle.wait(CEILING).await.unwrap();
    assert_eq!(task(&omniq, handle.id()).await.progress, None);
    pool.stop().await.unwrap();
}

async fn a_busy_handler_costs_few_writes(open: Open) {
    const STEPS: u32 = 10_000;
    let storage = Failing::new(open);
    let omniq = with(storage.clone(), quick()).await;
    let busy = |ctx: TaskContext, _: Args| async move {
        for step in 1..=STEPS {
            ctx.progress(f64::from(step) / f64::from(STEPS), &step.to_string());
        }
        Ok::<_, TaskError>(())
    };
    let begin = Instant::now();
    let pool = omniq.worker().handler("busy", busy).start().await.unwrap();
    let handle = omniq.enqueue(call("busy")).await.unwrap();
    handle.wait(CEILING).await.unwrap();
    pool.stop().await.unwrap();
    // The first at once, one after each pause, and one with the outcome.
    let most = 2 + begin.elapsed().as_millis() / PAUSE.as_millis();
    let writes = storage.noted.borrow().len();
    assert!((1..=most).contains(&(writes as u128)), "{writes} of {most}");
    let last = task(&omniq, handle.id()).await.progress.unwrap();
    assert_eq!(last, Progress::new(1.0, "10000", last.at));
}

async fn one_write_does_for_all_tasks_of_a_pool(open: Open) {
    const TASKS: usize = 50;
    let storage = Failing::new(open);
    let omniq = with(storage.clone(), quick()).await;
    let gate = shut();
    let worker = omniq.worker().concurrency(TASKS).state(gate.clone());
    let begin = Instant::now();
    let pool = worker.handler("tell", tell).start().await.unwrap();
    let orders = (0..TASKS).map(|n| call("tell").arg(0.5).arg(n.to_string()));
    let handles = omniq.enqueue_many(orders).await.unwrap();
    let mut noted = storage.noted.subscribe();
    let all = |calls: &Vec<Vec<bool>>| calls.iter().flatten().count() == TASKS;
    let writes = noted.wait_for(all).await.unwrap().clone();
    let most = 1 + begin.elapsed().as_millis() / PAUSE.as_millis();
    assert!(writes.len() as u128 <= most, "{writes:?}");
    assert!(writes.iter().flatten().all(|held| *held));
    for (n, handle) in handles.iter().enumerate() {
        let seen = task(&omniq, handle.id()).await.progress.unwrap();
        assert_eq!(seen.message, n.to_string());
    }
    gate.add_permits(TASKS);
    assert_eq!(pool.stop().await.unwrap().left, 0);
}

async fn without_progress_nothing_is_written(open: Open) {
    let storage = Failing::new(open);
    let omniq = with(storage.clone(), quick()).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let handles = omniq.enqueue_many((0..100).map(|n| call("echo").arg(n)));
    for handle in handles.await.unwrap() {
        handle.wait(CEILING).await.unwrap();
    }
    pool.stop().await.unwrap();
    assert!(storage.noted.borrow().is_empty());
}

async fn a_lost_lease_tells_nothing(open: Open) {
    let storage = Failing::new(open);
    // The next renewal, which would find out as well, is far away.
    let settings = quick().lease(CEILING * 6);
    let omniq = with(storage.clone(), settings).await;
    let (mut events, gate, stopped) = (omniq.events(), shut(), shut());
    let told_to_stop = stopped.clone();
    let late = move |ctx: TaskContext, _: Args| {
        let stopped = stopped.clone();
        async move {
            pass(&ctx).await?;
            ctx.progress(0.5, "late");
            ctx.cancelled().await;
            stopped.add_permits(1);
            Ok::<_, TaskError>(())
        }
    };
    let worker = omniq.worker().state(gate.clone()).handler("late", late);
    let pool = worker.start().await.unwrap();
    let handle = omniq.enqueue(call("late")).await.unwrap();
    started(&mut events).await;
    let running = task(&omniq, handle.id()).await;
    let now = Timestamp::from(SystemTime::now());
    let end = Outcome::Failed(TaskError::fatal("by another hand"));
    let end = settle::settle(&running, end, now, 0.5).unwrap();
    storage.settle(vec![end], now).await.unwrap();

    gate.add_permits(1);
    let mut noted = storage.noted.subscribe();
    let writes = noted.wait_for(|calls| !calls.is_empty()).await.unwrap();
    assert_eq!(*writes, [[false]]);
    drop(writes);
    let ended = task(&omniq, handle.id()).await;
    assert_eq!((ended.status, ended.progress), (TaskStatus::Failed, None));
    let _told = told_to_stop.acquire().await.unwrap();
    pool.stop().await.unwrap();
}

async fn progress_outlives_a_write_that_fails(open: Open) {
    let storage = Failing::new(open);
    storage.notes.store(1, Ordering::SeqCst);
    let omniq = with(storage.clone(), quick()).await;
    let gate = shut();
    let worker = omniq.worker().state(gate.clone()).handler("tell", tell);
    let pool = worker.start().await.unwrap();
    let order = call("tell").arg(0.5).arg("half of it");
    let handle = omniq.enqueue(order).await.unwrap();
    let mut noted = storage.noted.subscribe();
    let writes = noted.wait_for(|calls| !calls.is_empty()).await.unwrap();
    assert_eq!(*writes, [[true]]);
    drop(writes);
    let seen = task(&omniq, handle.id()).await.progress.unwrap();
    assert_eq!(seen.message, "half of it");
    gate.add_permits(1);
    handle.wait(CEILING).await.unwrap();
    pool.stop().await.unwrap();
}

async fn a_last_word_that_fails_holds_nothing_up(open: Open) {
    let storage = Failing::new(open);
    storage.notes.store(u32::MAX, Ordering::SeqCst);
    let omniq = with(storage.clone(), quick()).await;
    let gate = shut();
    gate.add_permits(1);
    let worker = omniq.worker().state(gate).handler("tell", tell);
    let pool = worker.start().await.unwrap();
    let order = call("tell").arg(1.0).arg("all of it");
    let handle = omniq.enqueue(order).await.unwrap();
    handle.wait(CEILING).await.unwrap();
    assert_eq!(task(&omniq, handle.id()).await.progress, None);
    assert_eq!(pool.stop().await.unwrap().left, 0);
}
