use std::time::Duration;

use omniq::{AsyncOmniQ, Backend, TaskStatus, call};
use omniq_crashtest::{Mark, Process, worker};

use crate::scene;

/// A process that is stopped while it writes holds the lock until it goes on, and nobody else can write.
async fn stop_between_writes(process: &Process, omniq: &AsyncOmniQ) {
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
async fn a_process_that_was_stopped_past_its_lease_writes_nothing() {
    stopped_past_its_lease(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_it_where_the_queue_is_a_folder() {
    stopped_past_its_lease(Backend::File).await;
}

/// The successor still runs when the stopped process goes on, so that the late outcome meets a running
/// task of a later lease.
async fn stopped_past_its_lease(storage: Backend) {
    let mut scene = scene();
    scene.options.storage = storage;
    scene.options.lease = Duration::from_millis(500);
    let omniq = scene.open().await.unwrap();
    let handle = omniq.enqueue(call(worker::WAIT)).await.unwrap();
    let id = handle.id();
    let mut first = scene.ready_worker().await.unwrap();
    let ran = scene.line(Mark::Start, id).await.unwrap();
    assert_eq!((ran.process, ran.lease), (first.id(), 1));

    stop_between_writes(&first, &omniq).await;
    let mut second = scene.ready_worker().await.unwrap();
    scene.line(Mark::TakenOver, id).await.unwrap();
    let ran = scene.line(Mark::Start, id).await.unwrap();
    assert_eq!((ran.process, ran.lease), (second.id(), 2));

    first.go().unwrap();
    first.signal("CONT").unwrap();
    let late = scene.line(Mark::End, id).await.unwrap();
    assert_eq!((late.process, late.lease), (first.id(), 1), "a late end");
    first.stop().unwrap();
    let task = omniq.get_task(id).await.unwrap().unwrap();
    assert_eq!((task.status, task.lease), (TaskStatus::Running, 2));
    assert_eq!((task.attempts, task.crashes), (1, 1));
    assert_eq!(task.result, None);

    second.go().unwrap();
    let result = handle.wait(Duration::from_secs(10)).await.unwrap();
    assert_eq!(result, second.id());
    second.stop().unwrap();
    let task = omniq.get_task(id).await.unwrap().unwrap();
    assert_eq!((task.status, task.lease), (TaskStatus::Success, 2));
    assert_eq!((task.attempts, task.crashes), (1, 1));
}
