use std::time::Duration;

use omniq::call;
use omniq_crashtest::{Mark, Scene, worker};

use crate::scene;

const LIMIT: Duration = Duration::from_secs(10);

/// Each step waits for another process, at most 10 s.
async fn each_step_wakes_the_other_process(scene: &mut Scene) {
    let omniq = scene.open().await.unwrap();
    let worker = scene.ready_worker().await.unwrap();
    for _ in 0..3 {
        let handle = omniq.enqueue(call(worker::NOTE).arg(0)).await.unwrap();
        scene.line(Mark::Start, handle.id()).await.unwrap();
        handle.wait(LIMIT).await.unwrap();
        let handle = omniq.enqueue(call(worker::CANCEL_ME)).await.unwrap();
        scene.line(Mark::Start, handle.id()).await.unwrap();
        assert!(handle.cancel().await.unwrap());
        scene.line(Mark::TokenFired, handle.id()).await.unwrap();
    }
    worker.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bell_wakes_other_processes_long_before_they_would_look() {
    let mut scene = scene();
    scene.options.poll = Duration::from_secs(60);
    each_step_wakes_the_other_process(&mut scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_bell_the_safety_check_finds_it() {
    let mut scene = scene();
    scene.options.poll = Duration::from_millis(200);
    // Where the folder should be there is a file: bell and presence are off.
    std::fs::write(scene.beside(), "in the way").unwrap();
    each_step_wakes_the_other_process(&mut scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_presence_the_lease_decides_who_is_dead() {
    let mut scene = scene();
    scene.options.lease = Duration::from_millis(500);
    scene.options.poll = Duration::from_millis(200);
    std::fs::write(scene.beside(), "in the way").unwrap();
    let omniq = scene.open().await.unwrap();
    let id = omniq.enqueue(call(worker::CANCEL_ME)).await.unwrap().id();
    let victim = scene.ready_worker().await.unwrap();
    scene.line(Mark::Start, id).await.unwrap();
    victim.kill().unwrap();
    let heir = scene.ready_worker().await.unwrap();
    scene.line(Mark::TakenOver, id).await.unwrap();
    let again = scene.line(Mark::Start, id).await.unwrap();
    assert_eq!((again.process, again.lease), (heir.id(), 2));
}
