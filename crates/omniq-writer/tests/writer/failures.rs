//! Tests what callers are answered after a failure, and how the writer goes on.

use omniq_core::{Error, Result};
use tokio_stream::StreamExt as _;

use crate::engine::{BAD, Fault, PANICS, TOO_LARGE};
use crate::fixture::{Fixture, NOW, is_closed, names};

fn error<T: std::fmt::Debug>(answer: Result<T>) -> Error {
    answer.unwrap_err()
}

#[tokio::test]
async fn a_rejected_command_is_answered_alone_and_the_others_run_again() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    let (a, bad, b) = (
        fixture.enqueue("a"),
        fixture.enqueue(BAD),
        fixture.enqueue("b"),
    );
    fixture.control.release();
    a.answer().await.unwrap();
    b.answer().await.unwrap();
    let error = error(bad.answer().await);
    assert_eq!(error.to_string(), "rejected");
    assert!(!error.is_unknown());
    let expected = [
        "begin",
        "enqueue a",
        "enqueue bad",
        "roll back",
        "begin",
        "enqueue a",
        "enqueue b",
        "commit",
    ];
    assert_eq!(fixture.steps_since_hold(), expected);
}

#[tokio::test]
async fn an_environmental_failure_answers_all_and_resets_the_engine() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    let commands = ["a", TOO_LARGE, "b"].map(|name| fixture.enqueue(name));
    fixture.control.release();
    for command in commands {
        let error = error(command.answer().await);
        assert_eq!(error.to_string(), "the disk is full");
        assert!(error.is_retryable() && !error.is_unknown());
    }
    fixture.control.wait_for("reset");
    let expected = [
        "begin",
        "enqueue a",
        "enqueue too large",
        "roll back",
        "reset",
    ];
    assert_eq!(fixture.steps_since_hold(), expected, "`b` was not reached");
    fixture.enqueue("later").answer().await.unwrap();
}

#[tokio::test]
async fn a_batch_that_can_not_begin_answers_all() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    let commands = ["a", "b"].map(|name| fixture.enqueue(name));
    fixture.control.fail_later(Fault::Begin);
    fixture.control.release();
    for command in commands {
        assert!(error(command.answer().await).is_retryable());
    }
    fixture.control.wait_for("reset");
    assert_eq!(fixture.steps_since_hold(), ["roll back", "reset"]);
}

#[tokio::test]
async fn an_engine_that_can_not_be_prepared_answers_all() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    let commands = ["a", "b"].map(|name| fixture.enqueue(name));
    // The first batch has been prepared already.
    fixture.control.fail(Fault::Prepare);
    fixture.control.release();
    for command in commands {
        let error = error(command.answer().await);
        assert_eq!(error.to_string(), "it can't be opened");
    }
    fixture.enqueue("later").answer().await.unwrap();
}

#[tokio::test]
async fn a_commit_that_was_not_made_changes_nothing() {
    let fixture = Fixture::start();
    fixture.control.fail(Fault::Commit);
    let error = error(fixture.enqueue("a").answer().await);
    assert!(error.is_retryable() && !error.is_unknown());
    fixture.control.wait_for("reset");
    let expected = ["begin", "enqueue a", "roll back", "reset"];
    assert_eq!(fixture.control.steps(), expected);
    let count = fixture.writer.query(|tasks| Ok(tasks.len())).await;
    assert_eq!(count.unwrap(), 0);
}

#[tokio::test]
async fn a_commit_that_failed_is_unknown_for_all() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    let commands = ["a", "b"].map(|name| fixture.enqueue(name));
    fixture.control.fail_later(Fault::UnknownCommit);
    fixture.control.release();
    for command in commands {
        let error = error(command.answer().await);
        assert!(error.is_unknown() && !error.is_retryable(), "{error:?}");
    }
    fixture.control.wait_for("reset");
    let expected = ["begin", "enqueue a", "enqueue b", "reset"];
    assert_eq!(fixture.steps_since_hold(), expected);
}

#[tokio::test]
async fn a_commit_that_failed_is_unknown_for_parked_claims_that_had_taken_tasks() {
    let fixture = Fixture::start();
    let took = fixture.park(1).await;
    let found_nothing = fixture.park(2).await;
    fixture.control.fail(Fault::UnknownCommit);
    let enqueued = fixture.enqueue("a").answer().await;
    assert!(error(enqueued).is_unknown());
    assert!(error(took.answer().await).is_unknown());
    fixture.enqueue("b").answer().await.unwrap();
    assert_eq!(names(&found_nothing.answer().await.unwrap()), ["b"]);
}

#[tokio::test]
async fn a_rollback_takes_back_what_a_parked_claim_had_taken() {
    let fixture = Fixture::start();
    let claim = fixture.park(1).await;
    fixture.control.fail(Fault::Commit);
    error(fixture.enqueue("a").answer().await);
    fixture.enqueue("b").answer().await.unwrap();
    assert_eq!(names(&claim.answer().await.unwrap()), ["b"]);
}

#[tokio::test]
async fn a_rejected_parked_claim_is_answered_alone() {
    let fixture = Fixture::start();
    let claim = fixture.park(1).await;
    fixture.control.fail(Fault::Claim(1));
    fixture.enqueue("a").answer().await.unwrap();
    assert_eq!(error(claim.answer().await).to_string(), "rejected");
    let expected = [
        "begin",
        "enqueue a",
        "claim 1 at 77",
        "roll back",
        "begin",
        "enqueue a",
        "commit",
    ];
    assert_eq!(fixture.control.steps(), expected);
}

#[tokio::test]
async fn a_panic_answers_all_callers_that_wait() {
    let fixture = Fixture::start();
    let claim = fixture.park(1).await;
    let mut watch = fixture.writer.watch();
    fixture.hold_thread();
    let commands = [PANICS, "a"].map(|name| fixture.enqueue(name));
    fixture.control.release();
    assert!(is_closed(&claim.answer().await));
    for command in commands {
        assert!(is_closed(&command.answer().await));
    }
    assert_eq!(watch.next().await, None);
    let later = fixture.writer.enqueue(Vec::new(), NOW);
    assert!(is_closed(&later.await));
}
