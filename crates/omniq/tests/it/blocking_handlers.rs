//! Functions that block run beside the runtime, and are waited for, whatever happens to their task.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use omniq::{AsyncOmniQ, EventKind, Handler, Parameter, TaskContext, TaskError, TaskStatus, call};

use crate::setup::{CEILING, Open, event, omniq, quick, scenarios, started, with};

scenarios!(
    a_blocking_handler_does_not_block_the_runtime,
    a_late_blocking_handler_is_told_and_settled_as_timeout_when_it_returns,
    a_cancelled_blocking_handler_is_told_and_its_result_refused,
    a_blocking_handler_that_panics_fails_its_attempt_only,
    a_stop_leaves_a_blocking_handler_that_does_not_return,
);

/// What a blocking handler tells the scenario, and what it waits for.
struct Gate {
    begun: Receiver<u32>,
    go_on: Sender<()>,
}

/// A handler that says when it has begun, and goes on when it is told to or has been told to stop.
fn gated(until_stopped: bool) -> (Handler, Gate) {
    let (begins, begun) = channel();
    let (go_on, goes_on) = channel::<()>();
    let (begins, goes_on) = (Mutex::new(begins), Mutex::new(goes_on));
    let handler = Handler::typed_blocking(&[], move |ctx: TaskContext, []: [(); 0]| {
        begins.lock().unwrap().send(ctx.attempt()).unwrap();
        let goes_on = goes_on.lock().unwrap();
        let tick = Duration::from_millis(1);
        while goes_on.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
            if until_stopped && ctx.is_cancelled() {
                break;
            }
        }
        Ok::<_, TaskError>(ctx.attempt())
    });
    (handler, Gate { begun, go_on })
}

/// Waits without blocking the runtime.
async fn begun(gate: Gate) -> (u32, Gate) {
    let waiting = tokio::task::spawn_blocking(move || (gate.begun.recv().unwrap(), gate));
    waiting.await.unwrap()
}

async fn a_blocking_handler_does_not_block_the_runtime(open: Open) {
    let omniq = omniq(open).await;
    let barrier = Arc::new(std::sync::Barrier::new(4));
    // Four at once, on two runtime threads: they meet only if none of them holds one up.
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

async fn a_late_blocking_handler_is_told_and_settled_as_timeout_when_it_returns(open: Open) {
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
    // Nobody lets it go on: it returns because it is told that its time is over.
    let (attempt, gate) = begun(gate).await;
    assert_eq!(attempt, 1);
    event(&mut events, |kind| *kind == EventKind::Retried).await;
    let (attempt, _gate) = begun(gate).await;
    assert_eq!(attempt, 2, "after the first has returned");
    let error = handle.wait(CEILING).await.unwrap_err();
    assert_eq!(error.task_error().unwrap().error_type, "timeout");
    pool.stop().await.unwrap();
}

async fn a_cancelled_blocking_handler_is_told_and_its_result_refused(open: Open) {
    let omniq = omniq(open).await;
    let (handler, gate) = gated(true);
    let pool = omniq
        .worker()
        .with_handler("told", handler)
        .start()
        .await
        .unwrap();
    let handle = omniq.enqueue(call("told").unique_key("one")).await.unwrap();
    let (_, gate) = begun(gate).await;
    assert!(handle.cancel().await.unwrap());
    assert_eq!(handle.status().await.unwrap(), TaskStatus::Cancelled);
    // Requeueing waits until the handler has returned and its key is free.
    assert!(omniq.requeue_task(handle.id()).await.unwrap());
    gate.go_on.send(()).unwrap();
    assert_eq!(handle.wait(CEILING).await.unwrap(), 1);
    pool.stop().await.unwrap();
}

async fn a_blocking_handler_that_panics_fails_its_attempt_only(open: Open) {
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

async fn stopped_with_one_running(omniq: &AsyncOmniQ, handler: Handler) -> u64 {
    let mut events = omniq.events();
    let worker = omniq.worker().with_handler("stays", handler);
    let pool = worker.grace(Duration::ZERO).start().await.unwrap();
    omniq.enqueue(call("stays")).await.unwrap();
    started(&mut events).await;
    pool.stop().await.unwrap().left
}

/// Giving its task back would let a second execution run beside it.
async fn a_stop_leaves_a_blocking_handler_that_does_not_return(open: Open) {
    let omniq = with(open(), quick()).await;
    let (handler, gate) = gated(false);
    assert_eq!(stopped_with_one_running(&omniq, handler).await, 1);
    let running = omniq.list_tasks(omniq::TaskFilter::new()).await.unwrap();
    assert_eq!(running[0].status, TaskStatus::Running);
    gate.go_on.send(()).unwrap();
}
