//! The progress that handlers report, as events and in the storage.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use omniq::{
    Args, AsyncOmniQ, EventKind, Progress, Task, TaskContext, TaskError, TaskId, TaskStatus, call,
};
use omniq_core::{Outcome, Storage as _, Timestamp, settle};
use tokio::sync::Semaphore;

use crate::failing_storage::FailingStorage;
use crate::setup::*;

scenarios!(
    other_queues_see_the_progress_of_a_running_task,
    a_new_attempt_starts_without_progress,
    frequent_progress_causes_few_writes,
    one_write_records_the_progress_of_all_tasks_of_a_pool,
    without_progress_nothing_is_written,
    progress_under_a_lost_lease_is_not_recorded_and_cancels_the_handler,
    progress_is_recorded_again_after_a_failed_write,
    a_progress_that_cannot_be_written_does_not_delay_the_outcome,
);

/// The shortest time between two writes of a pool.
const PAUSE: Duration = Duration::from_millis(500);

/// Holds handlers back: each needs a permit to continue.
type Gate = Arc<Semaphore>;

fn closed_gate() -> Gate {
    Arc::new(Semaphore::new(0))
}

async fn pass_gate(ctx: &TaskContext) -> Result<(), TaskError> {
    ctx.state::<Gate>()?.acquire().await.unwrap().forget();
    Ok(())
}

/// Reports the progress that its arguments say, then waits at the gate.
async fn report(ctx: TaskContext, args: Args) -> Result<(), TaskError> {
    let (fraction, message): (f64, String) = args.bind(&["fraction", "message"])?;
    ctx.progress(fraction, &message);
    pass_gate(&ctx).await
}

async fn task(omniq: &AsyncOmniQ, id: TaskId) -> Task {
    omniq.get_task(id).await.unwrap().unwrap()
}

/// Waits until the storage has a progress of the task.
async fn stored_progress(omniq: &AsyncOmniQ, id: TaskId) -> Progress {
    loop {
        if let Some(progress) = task(omniq, id).await.progress {
            return progress;
        }
        tokio::task::yield_now().await;
    }
}

async fn other_queues_see_the_progress_of_a_running_task(open: Open) {
    let storage = open();
    let here = with(Arc::clone(&storage), quick()).await;
    let there = with(storage, quick()).await;
    let (mut events, gate) = (here.events(), closed_gate());
    let worker = here.worker().state(gate.clone()).handler("report", report);
    let pool = worker.start().await.unwrap();
    let long = "größe ".repeat(1000);
    let order = call("report").arg(7.5).arg(&long);
    let handle = there.enqueue(order).await.unwrap();
    let is_progress = |kind: &EventKind| matches!(kind, EventKind::Progressed { .. });
    let progressed = event(&mut events, is_progress).await;
    let message = long.clone();
    let kind = EventKind::Progressed {
        fraction: 1.0,
        message,
    };
    assert_eq!((progressed.id, progressed.kind), (handle.id(), kind));

    let seen = stored_progress(&there, handle.id()).await;
    assert_eq!(seen, Progress::new(1.0, &long, seen.at));
    let running = task(&there, handle.id()).await;
    assert_eq!(running.status, TaskStatus::Running);
    assert_eq!(running.progress.as_ref(), Some(&seen));
    gate.add_permits(1);
    handle.wait(CEILING).await.unwrap();
    assert_eq!(task(&there, handle.id()).await.progress, Some(seen));
    pool.stop().await.unwrap();
}

async fn a_new_attempt_starts_without_progress(open: Open) {
    let omniq = omniq(open).await;
    let (mut events, gate) = (omniq.events(), closed_gate());
    let twice = |ctx: TaskContext, _: Args| async move {
        if ctx.attempt() == 1 {
            ctx.progress(0.25, "begun");
            ctx.progress(0.5, "about to fail");
            return Err(TaskError::retry_after(Duration::from_secs(3600)));
        }
        pass_gate(&ctx).await
    };
    let worker = omniq.worker().state(gate.clone()).handler("twice", twice);
    let pool = worker.start().await.unwrap();
    let handle = omniq.enqueue(call("twice")).await.unwrap();
    event(&mut events, |kind| *kind == EventKind::Retried).await;
    let failed = task(&omniq, handle.id()).await.progress.unwrap();
    assert_eq!(failed, Progress::new(0.5, "about to fail", failed.at));
    let rescheduled = omniq.reschedule_task(handle.id(), SystemTime::now());
    assert!(rescheduled.await.unwrap());
    started(&mut events).await;
    assert_eq!(task(&omniq, handle.id()).await.progress, None);
    gate.add_permits(1);
    handle.wait(CEILING).await.unwrap();
    assert_eq!(task(&omniq, handle.id()).await.progress, None);
    pool.stop().await.unwrap();
}

async fn frequent_progress_causes_few_writes(open: Open) {
    const STEPS: u32 = 10_000;
    let storage = FailingStorage::new(open);
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
    // The first write is immediate, one follows after each pause, and one comes with the outcome.
    let most = 2 + begin.elapsed().as_millis() / PAUSE.as_millis();
    let writes = storage.progress_answers.borrow().len();
    assert!((1..=most).contains(&(writes as u128)), "{writes} of {most}");
    let last = task(&omniq, handle.id()).await.progress.unwrap();
    assert_eq!(last, Progress::new(1.0, "10000", last.at));
}

async fn one_write_records_the_progress_of_all_tasks_of_a_pool(open: Open) {
    const TASKS: usize = 50;
    let storage = FailingStorage::new(open);
    let omniq = with(storage.clone(), quick()).await;
    let gate = closed_gate();
    let worker = omniq.worker().concurrency(TASKS).state(gate.clone());
    let begin = Instant::now();
    let pool = worker.handler("report", report).start().await.unwrap();
    let orders = (0..TASKS).map(|n| call("report").arg(0.5).arg(n.to_string()));
    let handles = omniq.enqueue_many(orders).await.unwrap();
    let mut answers = storage.progress_answers.subscribe();
    let all = |calls: &Vec<Vec<bool>>| calls.iter().flatten().count() == TASKS;
    let writes = answers.wait_for(all).await.unwrap().clone();
    let most = 1 + begin.elapsed().as_millis() / PAUSE.as_millis();
    assert!(writes.len() as u128 <= most, "{writes:?}");
    assert!(writes.iter().flatten().all(|is_recorded| *is_recorded));
    for (n, handle) in handles.iter().enumerate() {
        let seen = task(&omniq, handle.id()).await.progress.unwrap();
        assert_eq!(seen.message, n.to_string());
    }
    gate.add_permits(TASKS);
    assert_eq!(pool.stop().await.unwrap().left, 0);
}

async fn without_progress_nothing_is_written(open: Open) {
    let storage = FailingStorage::new(open);
    let omniq = with(storage.clone(), quick()).await;
    let pool = omniq.worker().handler("echo", echo).start().await.unwrap();
    let handles = omniq.enqueue_many((0..100).map(|n| call("echo").arg(n)));
    for handle in handles.await.unwrap() {
        handle.wait(CEILING).await.unwrap();
    }
    pool.stop().await.unwrap();
    assert!(storage.progress_answers.borrow().is_empty());
}

async fn progress_under_a_lost_lease_is_not_recorded_and_cancels_the_handler(open: Open) {
    let storage = FailingStorage::new(open);
    // The next renewal, which would detect the lost lease too, is far away.
    let settings = quick().lease(CEILING * 6);
    let omniq = with(storage.clone(), settings).await;
    let (mut events, gate, stopped) = (omniq.events(), closed_gate(), closed_gate());
    let handler_stopped = stopped.clone();
    let late = move |ctx: TaskContext, _: Args| {
        let stopped = stopped.clone();
        async move {
            pass_gate(&ctx).await?;
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
    let end = Outcome::Failed(TaskError::fatal("settled by somebody else"));
    let end = settle::settle(&running, end, now, 0.5).unwrap();
    storage.settle(vec![end], now).await.unwrap();

    gate.add_permits(1);
    let mut answers = storage.progress_answers.subscribe();
    let writes = answers.wait_for(|calls| !calls.is_empty()).await.unwrap();
    assert_eq!(*writes, [[false]]);
    drop(writes);
    let ended = task(&omniq, handle.id()).await;
    assert_eq!((ended.status, ended.progress), (TaskStatus::Failed, None));
    let _permit = handler_stopped.acquire().await.unwrap();
    pool.stop().await.unwrap();
}

async fn progress_is_recorded_again_after_a_failed_write(open: Open) {
    let storage = FailingStorage::new(open);
    storage.progress_failures.store(1, Ordering::SeqCst);
    let omniq = with(storage.clone(), quick()).await;
    let gate = closed_gate();
    let worker = omniq.worker().state(gate.clone()).handler("report", report);
    let pool = worker.start().await.unwrap();
    let order = call("report").arg(0.5).arg("half");
    let handle = omniq.enqueue(order).await.unwrap();
    let mut answers = storage.progress_answers.subscribe();
    let writes = answers.wait_for(|calls| !calls.is_empty()).await.unwrap();
    assert_eq!(*writes, [[true]]);
    drop(writes);
    let seen = task(&omniq, handle.id()).await.progress.unwrap();
    assert_eq!(seen.message, "half");
    gate.add_permits(1);
    handle.wait(CEILING).await.unwrap();
    pool.stop().await.unwrap();
}

async fn a_progress_that_cannot_be_written_does_not_delay_the_outcome(open: Open) {
    let storage = FailingStorage::new(open);
    storage.progress_failures.store(u32::MAX, Ordering::SeqCst);
    let omniq = with(storage.clone(), quick()).await;
    let gate = closed_gate();
    gate.add_permits(1);
    let worker = omniq.worker().state(gate).handler("report", report);
    let pool = worker.start().await.unwrap();
    let order = call("report").arg(1.0).arg("complete");
    let handle = omniq.enqueue(order).await.unwrap();
    handle.wait(CEILING).await.unwrap();
    assert_eq!(task(&omniq, handle.id()).await.progress, None);
    assert_eq!(pool.stop().await.unwrap().left, 0);
}
