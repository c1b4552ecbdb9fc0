//! Tests the end of the writer.

use std::time::{Duration, Instant};

use tokio_stream::StreamExt as _;

use crate::fixture::{Fixture, is_closed, request, send};

/// How long a close waits for the last write.
const LIMIT: Duration = Duration::from_secs(1);

/// The only thread of the runtime lets the engine go on while the close waits: if it were blocked, the task would
/// not be written within the limit.
#[tokio::test]
async fn what_was_sent_before_the_close_is_written_and_no_runtime_thread_is_blocked() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    let enqueue = fixture.enqueue("a");
    let (closed, ()) = tokio::join!(fixture.writer.close(), async {
        fixture.control.release();
    });
    closed.unwrap();
    let expected = ["begin", "enqueue a", "commit"];
    assert_eq!(fixture.steps_since_hold(), expected);
    enqueue.answer().await.unwrap();
}

#[tokio::test]
async fn calls_after_the_close_fail() {
    let fixture = Fixture::start();
    fixture.writer.close().await.unwrap();
    let writer = &fixture.writer;
    assert!(is_closed(
        &writer.enqueue(Vec::new(), crate::fixture::NOW).await
    ));
    assert!(is_closed(&writer.claim(request(1)).await));
    assert!(is_closed(&writer.query(|tasks| Ok(tasks.len())).await));
    assert!(fixture.control.steps().is_empty());
}

#[tokio::test]
async fn calls_during_the_close_fail() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    let close = send(fixture.writer.close());
    let late = fixture.writer.enqueue(Vec::new(), crate::fixture::NOW);
    assert!(is_closed(&late.await));
    fixture.control.release();
    close.answer().await.unwrap();
}

#[tokio::test]
async fn closing_twice_is_allowed() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    let (first, second) = (send(fixture.writer.close()), send(fixture.writer.close()));
    fixture.control.release();
    first.answer().await.unwrap();
    second.answer().await.unwrap();
    fixture.writer.close().await.unwrap();
}

#[tokio::test]
async fn parked_claims_and_streams_end_with_the_writer() {
    let fixture = Fixture::start();
    let claim = fixture.park(1).await;
    let mut watch = fixture.writer.watch();
    fixture.writer.close().await.unwrap();
    assert!(is_closed(&claim.answer().await));
    assert_eq!(watch.next().await, None);
    assert_eq!(fixture.writer.watch().next().await, None);
}

#[tokio::test]
async fn a_close_removes_the_files_of_this_process_s_owners() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("jobs.db");
    std::fs::File::create(&data).unwrap();
    let fixture = Fixture::start_shared(&data);
    let owners = || {
        let owners = dir.path().join("jobs.db-omniq/owners");
        std::fs::read_dir(owners).unwrap().count()
    };
    fixture.claim(request(1)).answer().await.unwrap();
    let _finder = fixture.writer.orphan_finder();
    assert_eq!(owners(), 1);
    fixture.writer.close().await.unwrap();
    assert_eq!(owners(), 0);
    assert!(is_closed(&fixture.writer.claim(request(2)).await));
    assert_eq!(owners(), 0);
}

/// As if another process held the lock of the data.
#[tokio::test]
async fn a_close_waits_for_a_second_at_most_and_the_drop_after_it_does_not_wait() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    drop(fixture.enqueue("a"));
    let began = Instant::now();
    fixture.writer.close().await.unwrap();
    assert!(began.elapsed() >= LIMIT);
    let began = Instant::now();
    let Fixture { writer, control } = fixture;
    drop(writer);
    assert!(began.elapsed() < LIMIT);
    control.release();
    // The thread finishes by itself.
    control.wait_for("enqueue a");
}

#[tokio::test]
async fn a_drop_without_a_close_writes_what_was_sent() {
    let Fixture { writer, control } = Fixture::start();
    drop(send(writer.enqueue(
        vec![crate::fixture::task("a")],
        crate::fixture::NOW,
    )));
    drop(writer);
    assert_eq!(control.steps(), ["begin", "enqueue a", "commit"]);
}

#[tokio::test]
async fn a_close_whose_future_is_dropped_goes_on() {
    let fixture = Fixture::start();
    fixture.hold_thread();
    drop(fixture.enqueue("a"));
    drop(send(fixture.writer.close()));
    fixture.control.release();
    fixture.control.wait_for("enqueue a");
    fixture.writer.close().await.unwrap();
    let expected = ["begin", "enqueue a", "commit"];
    assert_eq!(fixture.steps_since_hold(), expected);
}
