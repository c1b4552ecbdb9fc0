//! The rules of settling, requeueing and taking over, without any storage.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use omniq_core::lifecycle::{Transition, apply, next};
use omniq_core::settle::{cancel, requeue, reschedule, settle, take_over};
use omniq_core::storage::{Orphan, OrphanReason};
use omniq_core::{
    Backoff, Decision, Due, ErrorKind, Format, NewTask, Outcome, OwnerId, Payload, Task, TaskError,
    TaskId, TaskStatus, Timestamp,
};

const NOW: Timestamp = Timestamp(1_000_000);

fn pending() -> Task {
    let payload = Payload::new(Format::Json, b"{}".to_vec());
    let new = NewTask::new("resize", "images", payload);
    Task::from_new(new, TaskId::from_i64(7).unwrap(), NOW)
}

fn running(attempts: u32) -> Task {
    let mut task = pending();
    task.status = TaskStatus::Running;
    task.attempts = attempts;
    task.lease = 10 + u64::from(attempts);
    task.owner = OwnerId::from_i64(5);
    task
}

fn succeeded() -> Outcome {
    Outcome::Succeeded {
        result: Payload::new(Format::Json, b"1".to_vec()),
        then: Vec::new(),
    }
}

#[test]
fn only_the_listed_transitions_are_allowed() {
    use TaskStatus::*;
    use Transition::*;
    let transitions = [
        Claim, Succeed, Retry, Release, GiveUp, Cancel, Requeue, Reschedule,
    ];
    let allowed = [
        (Pending, Claim, Running),
        (Pending, Cancel, Cancelled),
        (Pending, Reschedule, Pending),
        (Running, Succeed, Success),
        (Running, Retry, Pending),
        (Running, Release, Pending),
        (Running, GiveUp, Failed),
        (Running, Cancel, Cancelled),
        (Failed, Requeue, Pending),
        (Cancelled, Requeue, Pending),
    ];
    for from in TaskStatus::ALL {
        for transition in transitions {
            let expected = allowed
                .iter()
                .find(|(f, t, _)| (*f, *t) == (from, transition));
            assert_eq!(
                next(from, transition),
                expected.map(|(_, _, to)| *to),
                "{from} {transition:?}"
            );
        }
    }
    let error = apply(Success, Cancel).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    for part in ["SUCCESS", "CANCELLED", "PENDING or RUNNING"] {
        assert!(error.to_string().contains(part), "{part} in {error}");
    }
}

#[test]
fn a_retry_waits_and_the_last_attempt_gives_up() {
    let first = settle(
        &running(1),
        Outcome::Failed(TaskError::new("io", "x")),
        NOW,
        0.5,
    )
    .unwrap();
    assert_eq!(
        (first.status, first.attempts),
        (TaskStatus::Pending, Some(1))
    );
    assert_eq!(first.eta, Some(Due::In(Duration::from_secs(1))));
    let error = first.error.unwrap();
    assert_eq!((error.timestamp, error.retry_count), (NOW, 0));

    let last = settle(
        &running(3),
        Outcome::Failed(TaskError::new("io", "x")),
        NOW,
        0.5,
    )
    .unwrap();
    assert_eq!((last.status, last.eta), (TaskStatus::Failed, None));
    assert_eq!(last.error.unwrap().retry_count, 2);

    let fatal = settle(
        &running(1),
        Outcome::Failed(TaskError::fatal("no")),
        NOW,
        0.5,
    )
    .unwrap();
    assert_eq!(fatal.status, TaskStatus::Failed);

    let error = TaskError::retry_after(Duration::from_secs(90));
    let requested = settle(&running(1), Outcome::Failed(error), NOW, 0.0).unwrap();
    assert_eq!(
        requested.eta,
        Some(Due::In(Duration::from_secs(90))),
        "no jitter on a requested wait"
    );
}

#[test]
fn a_release_refunds_the_attempt_and_stays_due() {
    let change = settle(&running(2), Outcome::Released, NOW, 0.5).unwrap();
    assert_eq!(
        (change.status, change.attempts, change.eta),
        (TaskStatus::Pending, Some(1), None)
    );
}

#[test]
fn a_repeating_task_enqueues_its_next_run() {
    let mut task = running(1);
    task.interval = Some(Duration::from_secs(60));
    task.unique_key = Some("k".into());
    task.backoff = Backoff::Fixed(Duration::from_secs(2));
    let success = settle(&task, succeeded(), NOW, 0.5).unwrap();
    let next = &success.then[0];
    assert_eq!(next.series_id, Some(task.id));
    assert_eq!(next.eta, Due::In(Duration::from_secs(60)));
    assert_eq!(
        (next.unique_key.as_deref(), next.backoff),
        (Some("k"), task.backoff)
    );

    let failure = settle(&task, Outcome::Failed(TaskError::fatal("no")), NOW, 0.5).unwrap();
    assert_eq!(
        failure.then.len(),
        1,
        "a final failure does not end the series"
    );
    let retry = settle(&task, Outcome::Failed(TaskError::new("io", "x")), NOW, 0.5).unwrap();
    assert!(retry.then.is_empty(), "a retry is the same member");
    assert!(
        cancel(&task).into_change().unwrap().then.is_empty(),
        "a cancel ends the series"
    );
}

#[test]
fn a_takeover_refunds_the_attempt_and_counts_crashes_of_started_tasks() {
    let orphan = |started, crashes| {
        let mut task = running(2);
        task.crashes = crashes;
        Orphan::new(task, OrphanReason::LeaseExpired, started)
    };
    let unstarted = take_over(&orphan(false, 2), 3, NOW, 0.5).unwrap();
    assert_eq!(
        (unstarted.status, unstarted.attempts, unstarted.crashes),
        (TaskStatus::Pending, Some(1), Some(2))
    );
    assert_eq!(unstarted.eta, None, "claimable immediately");
    let retried = take_over(&orphan(true, 1), 3, NOW, 0.5).unwrap();
    assert_eq!(
        (retried.status, retried.attempts, retried.crashes),
        (TaskStatus::Pending, Some(1), Some(2))
    );
    assert_eq!(retried.eta, Some(Due::In(Duration::from_secs(2))));
    let last = take_over(&orphan(true, 2), 3, NOW, 0.5).unwrap();
    assert_eq!((last.status, last.attempts), (TaskStatus::Failed, Some(1)));
    assert_eq!(last.error.unwrap().error_type, "crash");
    let mut cancelled = orphan(true, 2);
    cancelled.task.status = TaskStatus::Cancelled;
    let released = take_over(&cancelled, 3, NOW, 0.5).unwrap();
    assert_eq!(
        (released.status, released.keep_owner),
        (TaskStatus::Cancelled, false)
    );
}

#[test]
fn requests_are_checked_against_the_lifecycle() {
    assert!(!cancel(&pending()).into_change().unwrap().keep_owner);
    assert!(
        cancel(&running(1)).into_change().unwrap().keep_owner,
        "its handler still runs"
    );
    assert_eq!(reschedule(&running(1), Due::NOW), Decision::NotAllowed);
    assert_eq!(requeue(&pending()), Decision::NotAllowed);
    let mut failed = running(3);
    failed.status = TaskStatus::Failed;
    failed.owner = None;
    failed.crashes = 2;
    let requeued = requeue(&failed).into_change().unwrap();
    assert_eq!(
        (requeued.attempts, requeued.crashes, requeued.lease),
        (Some(0), Some(0), failed.lease)
    );
    assert_eq!(cancel(&failed), Decision::NotAllowed);
    let mut held = running(1);
    held.status = TaskStatus::Cancelled;
    assert_eq!(requeue(&held), Decision::StillHeld);
}

#[test]
fn a_task_is_read_back_from_json_unchanged() {
    let mut task = running(1);
    task.result = Some(Payload::new(Format::Raw, vec![1, 2, 255]));
    task.errors = vec![TaskError::new("io", "x")];
    let text = serde_json::to_string(&task).unwrap();
    assert!(
        text.contains("\"status\":\"RUNNING\"") && text.contains("\"id\":\"0000000000007\""),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<Task>(&text).unwrap(), task);
}

#[test]
fn hold_count_is_also_read_by_its_former_name() {
    let mut task = pending();
    task.hold_count = 2;
    let text = serde_json::to_string(&task).unwrap();
    let former = text.replace("\"hold_count\":2", "\"holds\":2");
    assert_ne!(text, former);
    assert_eq!(serde_json::from_str::<Task>(&former).unwrap(), task);
}
