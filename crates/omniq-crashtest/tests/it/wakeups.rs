//! Wake-ups between processes: by the doorbell, and by the safety check if there is no doorbell.

use std::time::Duration;

use omniq::call;
use omniq_crashtest::{Harness, Mark, worker};

use crate::harness;

const LIMIT: Duration = Duration::from_secs(10);

/// Enqueues and cancels tasks. Each step must reach the other process within 10 s.
async fn assert_each_step_wakes_the_other_process(harness: &mut Harness) {
    let omniq = harness.open().await.unwrap();
    let worker = harness.start_ready_worker().await.unwrap();
    for _ in 0..3 {
        let handle = omniq.enqueue(call(worker::WORK).arg(0)).await.unwrap();
        harness
            .wait_for_line(Mark::Start, handle.id())
            .await
            .unwrap();
        handle.wait(LIMIT).await.unwrap();
        let handle = omniq.enqueue(call(worker::CANCEL_ME)).await.unwrap();
        harness
            .wait_for_line(Mark::Start, handle.id())
            .await
            .unwrap();
        assert!(handle.cancel().await.unwrap());
        harness
            .wait_for_line(Mark::TokenFired, handle.id())
            .await
            .unwrap();
    }
    worker.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doorbell_wakes_other_processes_long_before_the_poll_interval() {
    let mut harness = harness();
    harness.options.poll = Duration::from_secs(60);
    assert_each_step_wakes_the_other_process(&mut harness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_doorbell_the_safety_check_finds_changes() {
    let mut harness = harness();
    harness.options.poll = Duration::from_millis(200);
    // A file with the name of the folder disables doorbell and presence.
    std::fs::write(harness.side_folder(), "in the way").unwrap();
    assert_each_step_wakes_the_other_process(&mut harness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_presence_a_task_is_taken_over_when_its_lease_expires() {
    let mut harness = harness();
    harness.options.lease = Duration::from_millis(500);
    harness.options.poll = Duration::from_millis(200);
    std::fs::write(harness.side_folder(), "in the way").unwrap();
    let omniq = harness.open().await.unwrap();
    let id = omniq.enqueue(call(worker::CANCEL_ME)).await.unwrap().id();
    let victim = harness.start_ready_worker().await.unwrap();
    harness.wait_for_line(Mark::Start, id).await.unwrap();
    victim.kill().unwrap();
    let successor = harness.start_ready_worker().await.unwrap();
    harness.wait_for_line(Mark::TakenOver, id).await.unwrap();
    let again = harness.wait_for_line(Mark::Start, id).await.unwrap();
    assert_eq!((again.process, again.lease), (successor.id(), 2));
}
