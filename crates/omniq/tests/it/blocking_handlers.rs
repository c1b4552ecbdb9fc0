//! Blocking handlers run beside the runtime. The pool waits until they return, whatever happens to their task.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use omniq::testing::ManualClock;
use omniq::{
    AsyncOmniQ, EventKind, Handler, Parameter, StopSummary, Task, TaskContext, TaskError,
    TaskHandle, TaskStatus, call,
};

use crate::setup::{CEILING, Open, event, omniq, quick, released, scenarios, with};

scenarios!(
    a_blocking_handler_does_not_block_the_runtime,
    a_blocking_handler_past_its_time_limit_is_cancelled_and_fails_with_timeout,
    a_cancelled_blocking_handler_is_notified_and_its_result_is_ignored,
    a_panic_in_a_blocking_handler_fails_only_its_own_attempt,
    a_stopping_pool_keeps_the_task_of_a_blocking_handler_that_does_not_return,
    a_stopping_pool_cancels_a_blocking_handler_after_the_grace,
    a_dropped_pool_cancels_a_blocking_handler,
    a_time_limit_starts_when_the_function_starts,
);

/// Lets a scenario see when a blocking handler starts, and lets the handler continue.
struct Gate {
    started: Receiver<u32>,
    permits: Sender<()>,
}

/// Returns a handler that reports its start and then waits for a permit, or also until it is cancelled.
fn gated(until_cancelled: bool) -> (Handler, Gate) {
    let (starts, started) = channel();
    let (permits, permitted) = channel::<()>();
    let (starts, permitted) = (Mutex::new(starts), Mutex::new(permitted));
    let handler = Handler::typed_blocking(&[], move |ctx: TaskContext, []: [(); 0]| {
        starts.lock().unwrap().send(ctx.attempt()).unwrap();
        let permitted = permitted.lock().unwrap();
        let tick = Duration::from_millis(1);
        while permitted.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
            if until_cancelled && ctx.is_cancelled() {
                break;
            }
        }
        Ok::<_, TaskError>(ctx.attempt())
    });
    (handler, Gate { started, permits })
}

/// Waits until the handler has started, without blocking the runtime; returns the number of the attempt.
async fn handler_started(gate: Gate) -> (u32, Gate) {
    let waiting = tokio::task::spawn_blocking(move || (gate.started.recv().unwrap(), gate));
    waiting.await.unwrap()
}

async fn a_blocking_handler_does_not_block_the_runtime(open: Open) {
    let omniq = omniq(open).await;
    let barrier = Arc::new(std::sync::Barrier::new(4));
    // Four handlers run at the same time beside two runtime threads: they meet only if none of them blocks one.
    let meet = Handler::typed_blocking(
        const { &[Parameter::new("n")] },
        move |_: TaskContext, (n,): (u64,)| {
            barrier.wait();
            Ok::<_, TaskError>(n)
        },
    );
    let worker = omniq.worker().concurrency(4).with_handler("meet", meet);
    let pool = worker.start().await.unwrap();
    let orders = (0..4).map(|n| call("meet").arg(n));
    for (n, handle) in omniq.enqueue_many(orders).await.unwrap().iter().enumerate() {
        assert_eq!(handle.wait(CEILING).await.unwrap(), n);
    }
    pool.stop().await.unwrap();
}

async fn a_blocking_handler_past_its_time_limit_is_cancelled_and_fails_with_timeout(open: Open) {
    let omniq = omniq(open).await;
    let (handler, gate) = gated(true);
    let mut events = omniq.events();
    let pool = omniq
        .worker()
        .with_handler("late", handler)
        .start()
        .await
        .unwrap();
    let order = call("late")
        .timeout(Duration::from_millis(30))
        .max_attempts(2);
    let handle = omniq.enqueue(order).await.unwrap();
    // The handler gets no permit: it returns because its time limit cancels it.
    let (attempt, gate) = handler_started(gate).await;
    assert_eq!(attempt, 1);
    event(&mut events, |kind| *kind == EventKind::Retried).await;
    let (attempt, _gate) = handler_started(gate).await;
    assert_eq!(
        attempt, 2,
        "the second attempt starts after the first has returned"
    );
    let error = handle.wait(CEILING).await.unwrap_err();
    assert_eq!(error.task_error().unwrap().error_type, "timeout");
    pool.stop().await.unwrap();
}

async fn a_cancelled_blocking_handler_is_notified_and_its_result_is_ignored(open: Open) {
    let omniq = omniq(open).await;
    let (handler, gate) = gated(true);
    let pool = omniq
        .worker()
        .with_handler("notified", handler)
        .start()
        .await
        .unwrap();
    let handle = omniq
        .enqueue(call("notified").unique_key("one"))
        .await
        .unwrap();
    let (_, gate) = handler_started(gate).await;
    assert!(handle.cancel().await.unwrap());
    assert_eq!(handle.status().await.unwrap(), TaskStatus::Cancelled);
    // Requeueing waits until the handler has returned and its key is free.
    assert!(omniq.requeue_task(handle.id()).await.unwrap());
    gate.permits.send(()).unwrap();
    assert_eq!(handle.wait(CEILING).await.unwrap(), 1);
    pool.stop().await.unwrap();
}

async fn a_panic_in_a_blocking_handler_fails_only_its_own_attempt(open: Open) {
    let omniq = omniq(open).await;
    let panics =
        Handler::blocking(|_: TaskContext, _| -> Result<(), TaskError> { panic!("of glass") });
    let pool = omniq
        .worker()
        .with_handler("panics", panics)
        .start()
        .await
        .unwrap();
    for _ in 0..3 {
        let handle = omniq.enqueue(call("panics").max_attempts(1)).await.unwrap();
        let error = handle.wait(CEILING).await.unwrap_err();
        let error = error.task_error().unwrap();
        assert_eq!(error.error_type, "panic");
        assert!(error.message.contains("of glass"), "{error}");
    }
    pool.stop().await.unwrap();
}

/// Stops a pool without grace while a blocking handler runs in it.
async fn stopped_while_running(
    omniq: &AsyncOmniQ,
    handler: Handler,
    gate: Gate,
) -> (StopSummary, Gate) {
    let worker = omniq.worker().with_handler("stays", handler);
    let pool = worker.grace(Duration::ZERO).start().await.unwrap();
    omniq.enqueue(call("stays")).await.unwrap();
    let (_, gate) = handler_started(gate).await;
    (pool.stop().await.unwrap(), gate)
}

async fn only_task(omniq: &AsyncOmniQ) -> Task {
    let mut all = omniq.list_tasks(omniq::TaskFilter::new()).await.unwrap();
    all.remove(0)
}

/// If the pool released the task, a second execution could run beside the first.
async fn a_stopping_pool_keeps_the_task_of_a_blocking_handler_that_does_not_return(open: Open) {
    let omniq = with(open(), quick()).await;
    let (handler, gate) = gated(false);
    let (summary, gate) = stopped_while_running(&omniq, handler, gate).await;
    assert_eq!((summary.left, summary.released), (1, 0));
    assert_eq!(only_task(&omniq).await.status, TaskStatus::Running);
    gate.permits.send(()).unwrap();
}

async fn a_stopping_pool_cancels_a_blocking_handler_after_the_grace(open: Open) {
    let omniq = with(open(), quick()).await;
    let (handler, gate) = gated(true);
    let (summary, _gate) = stopped_while_running(&omniq, handler, gate).await;
    assert_eq!((summary.left, summary.released), (0, 1));
    let task = only_task(&omniq).await;
    assert_eq!((task.status, task.attempts), (TaskStatus::Pending, 0));
}

async fn a_dropped_pool_cancels_a_blocking_handler(open: Open) {
    let omniq = with(open(), quick()).await;
    let (handler, gate) = gated(true);
    let mut events = omniq.events();
    let pool = omniq
        .worker()
        .with_handler("stays", handler)
        .start()
        .await
        .unwrap();
    omniq.enqueue(call("stays")).await.unwrap();
    let (_, _gate) = handler_started(gate).await;
    drop(pool);
    released(&mut events).await;
}

async fn many_on_one_thread(omniq: AsyncOmniQ, clock: ManualClock) {
    let work = Handler::blocking(move |_: TaskContext, _| {
        clock.advance(Duration::from_secs(6));
        Ok::<_, TaskError>(())
    });
    let worker = omniq.worker().concurrency(5).with_handler("work", work);
    let pool = worker.start().await.unwrap();
    let order = |_| {
        call("work")
            .timeout(Duration::from_secs(10))
            .max_attempts(1)
    };
    let handles = omniq.enqueue_many((0..5).map(order)).await.unwrap();
    for result in TaskHandle::wait_all(&handles, CEILING).await {
        result.unwrap();
    }
    pool.stop().await.unwrap();
}

/// Five tasks of 6 s each share the only thread for blocking work, and each stays within its limit of 10 s.
async fn a_time_limit_starts_when_the_function_starts(open: Open) {
    let clock = ManualClock::new();
    let omniq = clock.open(open(), quick().build().unwrap()).await.unwrap();
    let program = std::thread::spawn(|| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime
            .max_blocking_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(many_on_one_thread(omniq, clock));
    });
    let ended = tokio::task::spawn_blocking(move || program.join()).await;
    ended.unwrap().unwrap();
}
