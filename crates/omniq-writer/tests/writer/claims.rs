//! Tests parked claims, and claims whose caller is no longer there.

use omniq_core::Timestamp;

use crate::engine::Point;
use crate::fixture::{Fixture, names, request, task};

#[tokio::test]
async fn a_parked_claim_is_retried_with_the_time_of_the_write_that_added_work() {
    let fixture = Fixture::start();
    let claim = fixture.park(1).await;
    fixture.enqueue("a").answer().await.unwrap();
    assert_eq!(names(&claim.answer().await.unwrap()), ["a"]);
    let expected = ["begin", "enqueue a", "claim 1 at 77", "commit"];
    assert_eq!(fixture.control.steps(), expected);
}

#[tokio::test]
async fn parked_claims_are_retried_in_the_order_in_which_they_came() {
    let fixture = Fixture::start();
    let (early, mut late) = (fixture.park(1).await, fixture.park(2).await);
    fixture.enqueue("a").answer().await.unwrap();
    assert_eq!(names(&early.answer().await.unwrap()), ["a"]);
    assert!(late.is_waiting());
    fixture.enqueue("b").answer().await.unwrap();
    assert_eq!(names(&late.answer().await.unwrap()), ["b"]);
}

#[tokio::test]
async fn a_batch_without_new_work_does_not_retry_parked_claims() {
    let fixture = Fixture::start();
    let mut claim = fixture.park(1).await;
    fixture.round_trip().await;
    assert_eq!(fixture.control.steps(), ["begin", "commit"]);
    assert!(claim.is_waiting());
}

#[tokio::test]
async fn a_claim_is_retried_at_the_end_of_its_own_batch() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    let claim = fixture.claim(request(1).park(None));
    let enqueue = fixture.enqueue("a");
    fixture.control.release();
    enqueue.answer().await.unwrap();
    assert_eq!(names(&claim.answer().await.unwrap()), ["a"]);
    let expected = [
        "begin",
        "claim 1 at 0",
        "enqueue a",
        "claim 1 at 77",
        "commit",
    ];
    assert_eq!(fixture.steps_since_hold(), expected);
}

#[tokio::test]
async fn a_claim_that_is_not_parked_is_answered_without_tasks() {
    let fixture = Fixture::start();
    let claimed = fixture.claim(request(1)).answer().await.unwrap();
    assert_eq!(names(&claimed), Vec::<&str>::new());
}

/// The time of work that others wrote is not known.
#[tokio::test]
async fn work_of_another_process_lets_a_parked_claim_peek_only() {
    let fixture = Fixture::start();
    let claim = fixture.park(1).await;
    fixture.control.add_as_another_process(task("a"));
    fixture.writer.ring();
    let claimed = claim.answer().await.unwrap();
    assert_eq!(names(&claimed), Vec::<&str>::new());
    assert_eq!(claimed.next_due, Some(Timestamp(0)));
    assert_eq!(fixture.control.steps(), ["begin", "peek 1", "commit"]);
}

#[tokio::test]
async fn a_commit_wakes_the_parked_claims_of_other_processes() {
    let data = tempfile::NamedTempFile::new().unwrap();
    let (here, there) = (
        Fixture::start_shared(data.path()),
        Fixture::start_shared(data.path()),
    );
    let claim = there.park(1).await;
    there.control.add_as_another_process(task("a"));
    here.enqueue("a").answer().await.unwrap();
    claim.answer().await.unwrap();
    assert!(there.control.steps().contains(&"peek 1".to_owned()));
}

#[tokio::test]
async fn a_parked_claim_whose_caller_is_no_longer_there_takes_nothing() {
    let fixture = Fixture::start();
    let claim = fixture.park(1).await;
    drop(claim);
    fixture.enqueue("a").answer().await.unwrap();
    assert_eq!(fixture.control.steps(), ["begin", "enqueue a", "commit"]);
}

/// A pool that stops drops its claim. A task that is enqueued after the stop must not be seen running.
#[tokio::test]
async fn a_claim_that_was_dropped_before_its_batch_takes_nothing() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    drop(fixture.claim(request(1).park(None)));
    let enqueue = fixture.enqueue("a");
    fixture.control.release();
    enqueue.answer().await.unwrap();
    assert_eq!(fixture.steps_since_hold(), ["begin", "enqueue a", "commit"]);
}

#[tokio::test]
async fn tasks_are_released_if_the_caller_is_no_longer_there_at_the_commit() {
    let fixture = Fixture::start();
    fixture.enqueue("a").answer().await.unwrap();
    fixture.control.hold(Point::Commit);
    let claim = fixture.claim(request(1));
    fixture.control.wait_until_held();
    drop(claim);
    fixture.control.release();
    fixture.control.wait_for("settle 1 Pending");
    let claimed = fixture.claim(request(2)).answer().await.unwrap();
    assert_eq!(names(&claimed), ["a"]);
}

#[tokio::test]
async fn tasks_are_released_if_the_caller_does_not_receive_the_answer() {
    let fixture = Fixture::start();
    fixture.enqueue("a").answer().await.unwrap();
    fixture.hold_thread();
    let claim = fixture.claim(request(1));
    fixture.control.release();
    fixture.round_trip().await;
    drop(claim);
    fixture.control.wait_for("settle 1 Pending");
    let claimed = fixture.claim(request(2)).answer().await.unwrap();
    assert_eq!(names(&claimed), ["a"]);
}
