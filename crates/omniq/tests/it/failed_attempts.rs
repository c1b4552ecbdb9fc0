//! Failed attempts: which are retried, and which errors are stored.

use std::panic::Location;
use std::time::Duration;

use omniq::{
    Args, AsyncOmniQ, ErrorKind, EventKind, Order, TaskContext, TaskError, TaskStatus, call,
};
use serde::{Serialize, Serializer};

use crate::setup::*;

scenarios!(
    a_failed_attempt_is_retried_and_each_error_is_stored,
    a_task_fails_with_the_error_of_its_last_attempt,
    a_fatal_error_skips_the_remaining_attempts,
    a_handler_can_choose_the_wait_before_the_next_attempt,
    a_timeout_drops_the_handler_and_names_the_limit,
    a_panic_fails_the_attempt_with_its_location,
    a_panic_while_a_handler_is_dropped_harms_no_other_task,
    arguments_of_the_wrong_type_fail_only_their_own_task,
    a_result_that_cannot_be_serialized_fails_the_task,
);

/// Enqueues a task and returns the error that it failed with.
async fn failure<T: serde::de::DeserializeOwned>(omniq: &AsyncOmniQ, order: Order<T>) -> TaskError {
    let handle = omniq.enqueue(order).await.unwrap();
    let Err(error) = handle.wait(CEILING).await else {
        panic!("the task succeeded")
    };
    assert_eq!(error.kind(), ErrorKind::TaskFailed, "{error}");
    error.task_error().unwrap().clone()
}

/// Succeeds at its third attempt.
async fn third_time(ctx: TaskContext, _: Args) -> Result<u32, TaskError> {
    match ctx.attempt() {
        3 => Ok(3),
        n => Err(TaskError::retryable(format!("attempt {n}"))),
    }
}

async fn a_failed_attempt_is_retried_and_each_error_is_stored(open: Open) {
    let omniq = omniq(open).await;
    let mut events = omniq.events();
    let worker = omniq.worker().handler("third", third_time);
    let _pool = worker.start().await.unwrap();
    let handle = omniq.enqueue(call("third")).await.unwrap();
    assert_eq!(handle.wait(CEILING).await.unwrap(), 3);
    for _ in 0..2 {
        event(&mut events, |kind| *kind == EventKind::Retried).await;
    }
    let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
    let stored = task
        .errors
        .iter()
        .map(|e| (e.message.as_str(), e.retry_count));
    let expected = [("attempt 1", 0), ("attempt 2", 1)];
    assert_eq!(stored.collect::<Vec<_>>(), expected);
    assert_eq!(task.attempts, 3);
}

async fn a_task_fails_with_the_error_of_its_last_attempt(open: Open) {
    let omniq = omniq(open).await;
    let worker = omniq.worker().handler("third", third_time);
    let _pool = worker.start().await.unwrap();
    let error = failure(&omniq, call("third").max_attempts(2)).await;
    assert_eq!(
        (error.message.as_str(), error.retry_count),
        ("attempt 2", 1)
    );
    assert!(error.timestamp.as_micros() > 0);
}

async fn a_fatal_error_skips_the_remaining_attempts(open: Open) {
    let omniq = omniq(open).await;
    let fatal = |_: TaskContext, _: Args| async {
        Err::<(), _>(TaskError::fatal("not".parse::<u8>().unwrap_err()))
    };
    let _pool = omniq
        .worker()
        .handler("fatal", fatal)
        .start()
        .await
        .unwrap();
    let handle = omniq.enqueue(call("fatal")).await.unwrap();
    let error = handle.wait(CEILING).await.unwrap_err();
    assert_eq!(error.task_error().unwrap().error_type, "ParseIntError");
    let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
    assert_eq!((task.attempts, task.status), (1, TaskStatus::Failed));
    let result = omniq.get_result(handle.id()).await.unwrap().unwrap();
    assert_eq!(result.error.as_ref(), error.task_error());
}

async fn a_handler_can_choose_the_wait_before_the_next_attempt(open: Open) {
    let omniq = omniq(open).await;
    let busy = |_: TaskContext, _: Args| async {
        Err::<(), _>(TaskError::retry_after(Duration::from_secs(3600)))
    };
    let mut events = omniq.events();
    let _pool = omniq.worker().handler("busy", busy).start().await.unwrap();
    let handle = omniq.enqueue(call("busy")).await.unwrap();
    let retried = event(&mut events, |kind| *kind == EventKind::Retried).await;
    let task = omniq.get_task(handle.id()).await.unwrap().unwrap();
    assert!(task.eta > retried.at.after(Duration::from_secs(3500)));
}

async fn a_timeout_drops_the_handler_and_names_the_limit(open: Open) {
    let omniq = omniq(open).await;
    let worker = omniq.worker().handler("forever", forever);
    let _pool = worker.start().await.unwrap();
    let limit = Duration::from_millis(20);
    let error = failure(&omniq, call("forever").timeout(limit).max_attempts(2)).await;
    assert_eq!(
        (error.error_type.as_str(), error.retry_count),
        ("timeout", 1)
    );
    assert!(
        error.message.contains("20ms") && error.is_retryable,
        "{error}"
    );
}

async fn a_panic_fails_the_attempt_with_its_location(open: Open) {
    let omniq = omniq(open).await;
    let late = |_: TaskContext, _: Args| async {
        tokio::task::yield_now().await;
        if true {
            panic!("boom number {}", 1);
        }
        Ok::<_, TaskError>(())
    };
    let early = |_: TaskContext, _: Args| {
        if true {
            std::panic::panic_any(7_u8);
        }
        std::future::ready(Ok::<_, TaskError>(()))
    };
    let worker = omniq.worker().handler("late", late).handler("early", early);
    let _pool = worker.handler("echo", echo).start().await.unwrap();
    let error = failure(&omniq, call("late").max_attempts(2)).await;
    assert_eq!(
        (error.error_type.as_str(), error.is_retryable),
        ("panic", true)
    );
    assert!(error.message.contains("boom number 1"), "{error}");
    let here = Location::caller().file();
    assert!(error.message.contains(here), "{here} in {error}");
    assert!(error.traceback.unwrap().contains(here));
    let error = failure(&omniq, call("early").max_attempts(1)).await;
    assert_eq!(error.error_type, "panic");
    let alive = omniq.enqueue(call("echo")).await.unwrap();
    alive.wait(CEILING).await.unwrap();
}

async fn a_panic_while_a_handler_is_dropped_harms_no_other_task(open: Open) {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("while dropping");
        }
    }
    let omniq = omniq(open).await;
    let armed = |_: TaskContext, _: Args| async {
        let _bomb = Bomb;
        std::future::pending::<Result<(), TaskError>>().await
    };
    let worker = omniq.worker().concurrency(1).handler("armed", armed);
    let _pool = worker.handler("echo", echo).start().await.unwrap();
    let order = call("armed")
        .timeout(Duration::from_millis(10))
        .max_attempts(1);
    assert_eq!(failure(&omniq, order).await.error_type, "timeout");
    let alive = omniq.enqueue(call("echo")).await.unwrap();
    alive.wait(CEILING).await.unwrap();
}

async fn arguments_of_the_wrong_type_fail_only_their_own_task(open: Open) {
    let omniq = omniq(open).await;
    let two = |_: TaskContext, args: Args| async move {
        let (a, b): (u8, u8) = args.bind(&["a", "b"])?;
        Ok::<_, TaskError>(a + b)
    };
    let _pool = omniq.worker().handler("two", two).start().await.unwrap();
    for order in [call("two").arg(1), call("two").arg(1).kwarg("b", "x")] {
        let error = failure(&omniq, order).await;
        assert_eq!(
            (error.error_type.as_str(), error.retry_count),
            ("payload", 0)
        );
        assert!(error.message.contains("\"b\""), "{error}");
    }
    let good = omniq.enqueue(call("two").arg(1).arg(2)).await.unwrap();
    assert_eq!(good.wait(CEILING).await.unwrap(), 3);
}

async fn a_result_that_cannot_be_serialized_fails_the_task(open: Open) {
    struct Unwritable;
    impl Serialize for Unwritable {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("this value has no form"))
        }
    }
    let omniq = with(open(), quick().max_payload(100)).await;
    let unwritable = |_: TaskContext, _: Args| async { Ok::<_, TaskError>(Unwritable) };
    let nan = |_: TaskContext, _: Args| async { Ok::<_, TaskError>(f64::NAN) };
    let large = |_: TaskContext, _: Args| async { Ok::<_, TaskError>("x".repeat(101)) };
    let worker = omniq.worker().handler("unwritable", unwritable);
    let worker = worker.handler("nan", nan).handler("large", large);
    let _pool = worker.start().await.unwrap();
    let cases = [
        ("unwritable", "this value has no form"),
        ("nan", "NaN"),
        ("large", "100"),
    ];
    for (name, expected) in cases {
        let error = failure(&omniq, call(name)).await;
        assert_eq!(
            (error.error_type.as_str(), error.retry_count),
            ("result", 0)
        );
        assert!(error.message.contains(expected), "{expected} in {error}");
    }
}
