//! The helpers of `omniq::testing`.

use std::time::Duration;

use omniq::testing::{self, ManualClock};
use omniq::{ErrorKind, TaskContext, TaskError, TaskStatus, call};

use crate::setup::*;

scenarios!(
    drain_runs_all_due_tasks_and_the_tasks_that_they_enqueue,
    drain_reports_a_queue_that_does_not_become_idle,
    a_failed_assertion_names_its_location_and_the_tasks_that_exist,
    a_context_for_tests_can_be_cancelled,
);

#[omniq::task]
async fn count_down(ctx: TaskContext, n: u32) -> Result<u32, TaskError> {
    match n.checked_sub(1) {
        Some(less) if n.is_multiple_of(2) => ctx.then(count_down::with(less))?,
        Some(less) => drop(ctx.enqueue(count_down::with(less)).await?),
        None => ctx.then(count_down::with(0).delay(Duration::from_secs(3600)))?,
    }
    Ok(n)
}

async fn drain_runs_all_due_tasks_and_the_tasks_that_they_enqueue(open: Open) {
    let clock = ManualClock::new();
    let omniq = clock.open(open(), quick().build().unwrap()).await.unwrap();
    omniq.enqueue(count_down::with(20)).await.unwrap();
    omniq.enqueue(call("unhandled")).await.unwrap();
    let worker = || omniq.worker().task::<count_down>();
    let summary = testing::drain(worker(), CEILING).await.unwrap();
    assert_eq!(summary.total_finished, 21);
    for hour in 1..=3 {
        let idle = testing::drain(worker(), CEILING).await.unwrap();
        assert_eq!(idle.total_finished, 0, "before hour {hour}");
        clock.advance(Duration::from_secs(3600));
        let summary = testing::drain(worker(), CEILING).await.unwrap();
        assert_eq!(summary.total_finished, 1, "in hour {hour}");
    }
}

async fn drain_reports_a_queue_that_does_not_become_idle(open: Open) {
    let omniq = omniq(open).await;
    omniq.enqueue(call("forever")).await.unwrap();
    let worker = omniq.worker().handler("forever", forever);
    let worker = worker.grace(Duration::ZERO);
    let limit = Duration::from_millis(100);
    let error = testing::drain(worker, limit).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WaitTimeout);
    assert!(error.to_string().contains("1 tasks run"), "{error}");
}

/// Returns the text of the panic that a future ends with.
async fn panic_text<T: Send + 'static>(
    assertion: impl Future<Output = T> + Send + 'static,
) -> String {
    let error = tokio::spawn(assertion).await.map(drop).unwrap_err();
    *error.into_panic().downcast::<String>().unwrap()
}

async fn a_failed_assertion_names_its_location_and_the_tasks_that_exist(open: Open) {
    let omniq = omniq(open).await;
    let late = || count_down::with(7).delay(Duration::from_secs(60));
    omniq.enqueue(late().priority(3)).await.unwrap();
    let found = testing::assert_enqueued(&omniq, count_down::with(7)).await;
    assert_eq!((found.priority, found.status), (3, TaskStatus::Pending));
    testing::assert_not_enqueued(&omniq, count_down::with(8)).await;
    testing::assert_not_enqueued(&omniq, count_down::with(7).queue("other")).await;

    let text = panic_text(testing::assert_enqueued(&omniq, count_down::with(8))).await;
    for part in [file!(), "[8]", "there is", "[7]"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = panic_text(testing::assert_not_enqueued(&omniq, count_down::with(7))).await;
    assert!(text.contains(file!()) && text.contains("[7]"), "{text}");
}

async fn a_context_for_tests_can_be_cancelled(open: Open) {
    let omniq = omniq(open).await;
    let ctx = testing::context(&omniq);
    assert_eq!(count_down(ctx.clone(), 2).await.unwrap(), 2);
    assert!(!ctx.is_cancelled());
    testing::cancel(&ctx);
    ctx.cancelled().await;
    assert!(
        omniq
            .list_tasks(omniq::TaskFilter::new())
            .await
            .unwrap()
            .is_empty()
    );
}
