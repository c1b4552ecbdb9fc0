use std::time::Duration;

use omniq::{TaskStatus, call};
use omniq_crashtest::{Mark, worker};

use crate::scene;

/// The successor still runs when the stopped process goes on, so that the late outcome meets a running
/// task of a later lease.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_stopped_past_its_lease_writes_nothing() {
    let mut scene = scene();
    scene.options.lease = Duration::from_millis(500);
    let omniq = scene.open().await.unwrap();
    let handle = omniq.enqueue(call(worker::WAIT)).await.unwrap();
    let id = handle.id();
    let mut first = scene.ready_worker().await.unwrap();
    let ran = scene.line(Mark::Start, id).await.unwrap();
    assert_eq!((ran.process, ran.lease), (first.id(), 1));

    first.signal("STOP").unwrap();
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
