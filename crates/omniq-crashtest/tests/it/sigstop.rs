//! A process that is paused by SIGSTOP for longer than its lease.

use std::time::Duration;

use omniq::{AsyncOmniQ, Backend, TaskStatus, call};
use omniq_crashtest::{Mark, Process, worker};

use crate::harness;

/// Pauses the process at a point where it does not hold the write lock. A process that is paused while it writes would
/// keep the lock, and no other process could write. If that happens, this continues the process and retries.
async fn pause_between_writes(process: &Process, omniq: &AsyncOmniQ) {
    loop {
        process.signal("STOP").unwrap();
        let write = omniq.enqueue(call("nobody handles this"));
        if tokio::time::timeout(Duration::from_secs(1), write)
            .await
            .is_ok()
        {
            return;
        }
        process.signal("CONT").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_paused_beyond_its_lease_writes_nothing() {
    paused_beyond_its_lease(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_paused_beyond_its_lease_writes_nothing_to_files() {
    paused_beyond_its_lease(Backend::File).await;
}

/// The successor still runs when the paused process continues, so the late outcome meets a running task with a later
/// lease.
async fn paused_beyond_its_lease(storage: Backend) {
    let mut harness = harness();
    harness.options.storage = storage;
    harness.options.lease = Duration::from_millis(500);
    let omniq = harness.open().await.unwrap();
    let handle = omniq.enqueue(call(worker::WAIT)).await.unwrap();
    let id = handle.id();
    let mut first = harness.start_ready_worker().await.unwrap();
    let start = harness.wait_for_line(Mark::Start, id).await.unwrap();
    assert_eq!((start.process, start.lease), (first.id(), 1));

    pause_between_writes(&first, &omniq).await;
    let mut second = harness.start_ready_worker().await.unwrap();
    harness.wait_for_line(Mark::TakenOver, id).await.unwrap();
    let start = harness.wait_for_line(Mark::Start, id).await.unwrap();
    assert_eq!((start.process, start.lease), (second.id(), 2));

    first.send_line().unwrap();
    first.signal("CONT").unwrap();
    let late = harness.wait_for_line(Mark::End, id).await.unwrap();
    assert_eq!((late.process, late.lease), (first.id(), 1), "the late end");
    first.stop().unwrap();
    let task = omniq.get_task(id).await.unwrap().unwrap();
    assert_eq!((task.status, task.lease), (TaskStatus::Running, 2));
    assert_eq!((task.attempts, task.crashes), (1, 1));
    assert_eq!(task.result, None);

    second.send_line().unwrap();
    let result = handle.wait(Duration::from_secs(10)).await.unwrap();
    assert_eq!(result, second.id());
    second.stop().unwrap();
    let task = omniq.get_task(id).await.unwrap().unwrap();
    assert_eq!((task.status, task.lease), (TaskStatus::Success, 2));
    assert_eq!((task.attempts, task.crashes), (1, 1));
}
