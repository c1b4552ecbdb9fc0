//! Tests what belongs to one batch, and when its commands are answered.

use std::time::Duration;

use omniq_core::storage::{Lease, PurgeRequest};
use omniq_core::{TaskId, TaskStatus};

use crate::engine::{Point, SLOW};
use crate::fixture::{Fixture, FixtureWith, NOW, request, send};

#[tokio::test]
async fn commands_that_wait_share_a_batch() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    let waiting: Vec<_> = ["a", "b", "c"].map(|name| fixture.enqueue(name)).into();
    fixture.control.release();
    for command in waiting {
        command.answer().await.unwrap();
    }
    let expected = ["begin", "enqueue a", "enqueue b", "enqueue c", "commit"];
    assert_eq!(fixture.steps_since_hold(), expected);
}

#[tokio::test]
async fn urgent_commands_go_first() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    let purge = PurgeRequest::new([TaskStatus::Success], Duration::ZERO, NOW);
    let lease = Lease::new(TaskId::from_i64(9).unwrap(), 1);
    let enqueue = fixture.enqueue("a");
    let purge = send(fixture.writer.purge(purge));
    let renew = send(fixture.writer.renew(vec![lease], Duration::ZERO));
    let claim = fixture.claim(request(1));
    fixture.control.release();
    enqueue.answer().await.unwrap();
    purge.answer().await.unwrap();
    renew.answer().await.unwrap();
    claim.answer().await.unwrap();
    let expected = [
        "begin",
        "renew 9",
        "claim 1 at 0",
        "enqueue a",
        "purge",
        "commit",
    ];
    assert_eq!(fixture.steps_since_hold(), expected);
}

#[tokio::test]
async fn an_answer_comes_only_after_the_commit() {
    let fixture = Fixture::start();
    fixture.control.hold(Point::Commit);
    let mut enqueue = fixture.enqueue("a");
    fixture.control.wait_until_held();
    assert_eq!(fixture.control.steps(), ["begin", "enqueue a"]);
    assert!(enqueue.is_waiting());
    fixture.control.release();
    enqueue.answer().await.unwrap();
    assert_eq!(fixture.control.steps(), ["commit"]);
}

#[tokio::test]
async fn a_query_reads_what_was_written_before() {
    let fixture = Fixture::start();
    fixture.enqueue("a").answer().await.unwrap();
    let count = send(fixture.writer.query(|tasks| Ok(tasks.len())));
    assert_eq!(count.answer().await.unwrap(), 1);
}

#[tokio::test]
async fn a_batch_ends_at_a_thousand_rows() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    let many = PurgeRequest::new([TaskStatus::Success], Duration::ZERO, NOW).limit(999);
    let many = send(fixture.writer.purge(many));
    let last = fixture.enqueue("last");
    let next = fixture.enqueue("next");
    fixture.control.release();
    many.answer().await.unwrap();
    last.answer().await.unwrap();
    next.answer().await.unwrap();
    let expected = [
        "begin",
        "purge",
        "enqueue last",
        "commit",
        "begin",
        "enqueue next",
        "commit",
    ];
    assert_eq!(fixture.steps_since_hold(), expected);
}

#[tokio::test]
async fn a_batch_ends_after_the_longest_time() {
    let fixture = FixtureWith::<5>::start();
    fixture.hold_thread();
    let slow = fixture.enqueue(SLOW);
    let next = fixture.enqueue("next");
    fixture.control.release();
    slow.answer().await.unwrap();
    next.answer().await.unwrap();
    let expected = [
        "begin",
        "enqueue slow",
        "commit",
        "begin",
        "enqueue next",
        "commit",
    ];
    assert_eq!(fixture.steps_since_hold(), expected);
}
