//! Tests what listeners are notified of.

use std::task::Poll;

use omniq_core::settle::settle;
use omniq_core::storage::{Signal, Watch};
use omniq_core::{Change, Outcome};
use tokio_stream::StreamExt as _;

use crate::fixture::{Fixture, NOW, poll_once, request, send, task};

/// The signals that wait in the stream.
fn waiting(watch: &mut Watch) -> Vec<Signal> {
    let mut signals = Vec::new();
    while let Poll::Ready(Some(signal)) = poll_once(&mut Box::pin(watch.next())) {
        signals.push(signal);
    }
    signals
}

#[tokio::test]
async fn a_batch_sends_each_signal_once() {
    let fixture = Fixture::start();
    let mut watch = fixture.writer.watch();
    fixture.hold_thread();
    let commands = ["a", "b", "c"].map(|name| fixture.enqueue(name));
    fixture.control.release();
    for command in commands {
        command.answer().await.unwrap();
    }
    fixture.round_trip().await;
    assert_eq!(waiting(&mut watch), [Signal::Enqueued]);
}

#[tokio::test]
async fn the_changes_of_a_batch_become_one_signal() {
    let fixture = Fixture::start();
    let tasks = vec![task("a"), task("b")];
    fixture.writer.enqueue(tasks, NOW).await.unwrap();
    let claimed = fixture.writer.claim(request(1).limit(2)).await.unwrap();
    let mut watch = fixture.writer.watch();
    let succeed = |task| {
        let outcome = Outcome::Succeeded {
            result: omniq_core::Payload::new(omniq_core::Format::Json, Vec::new()),
            then: Vec::new(),
        };
        settle(task, outcome, NOW, 0.0).unwrap()
    };
    let changes: Vec<Change> = claimed.tasks.iter().map(succeed).collect();
    fixture.hold_thread();
    let settles: Vec<_> = changes
        .into_iter()
        .map(|change| send(fixture.writer.settle(vec![change], NOW)))
        .collect();
    fixture.control.release();
    for settle in settles {
        settle.answer().await.unwrap();
    }
    fixture.round_trip().await;
    let ids: Vec<_> = claimed.tasks.iter().map(|task| task.id).collect();
    assert_eq!(waiting(&mut watch), [Signal::Finished(ids.into())]);
}

#[tokio::test]
async fn a_failed_batch_sends_no_signal() {
    let fixture = Fixture::start();
    let mut watch = fixture.writer.watch();
    let failed = fixture.enqueue(crate::engine::BAD).answer().await;
    failed.unwrap_err();
    fixture.round_trip().await;
    assert_eq!(waiting(&mut watch), []);
}

#[tokio::test]
async fn writes_of_others_are_unknown() {
    let fixture = Fixture::start();
    let mut watch = fixture.writer.watch();
    fixture.control.add_as_another_process(task("a"));
    fixture.writer.ring();
    assert_eq!(watch.next().await, Some(Signal::Unknown));
}

#[tokio::test]
async fn a_listener_that_falls_behind_gets_unknown() {
    let fixture = Fixture::start();
    let mut watch = fixture.writer.watch();
    let enough = 1_100;
    for _ in 0..enough {
        fixture.enqueue("a").answer().await.unwrap();
    }
    fixture.round_trip().await;
    let signals = waiting(&mut watch);
    assert_eq!(signals[0], Signal::Unknown);
    assert!(signals.len() < enough);
    assert!(signals[1..].iter().all(|one| *one == Signal::Enqueued));
}
