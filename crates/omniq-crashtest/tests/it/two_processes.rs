use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use omniq::{Backend, call};
use omniq_crashtest::{Mark, worker};

use crate::scene;

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_never_get_the_same_task() {
    share(Backend::Sqlite, 2_000).await;
}

/// Two processes with four seats each: eight claimers.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_a_folder_of_files() {
    share(Backend::File, 20_000).await;
}

async fn share(storage: Backend, tasks: usize) {
    let mut scene = scene();
    scene.options.storage = storage;
    let omniq = scene.open().await.unwrap();
    let workers = [
        scene.ready_worker().await.unwrap(),
        scene.ready_worker().await.unwrap(),
    ];
    let mut handles = Vec::new();
    for _ in (0..tasks).step_by(100) {
        let orders = (0..100).map(|_| call(worker::NOTE).arg(1));
        handles.extend(omniq.enqueue_many(orders).await.unwrap());
    }
    for handle in &handles {
        handle.wait(Duration::from_secs(60)).await.unwrap();
    }
    let mut ran = HashMap::new();
    let lines = scene.lines().unwrap();
    for line in lines.iter().filter(|line| line.mark == Mark::Start) {
        let before = ran.insert(line.id, line.process);
        assert_eq!(before, None, "task {} ran twice", line.id);
    }
    assert_eq!(ran.len(), tasks);
    let shares: BTreeSet<u32> = ran.values().copied().collect();
    assert_eq!(
        shares,
        workers.iter().map(|worker| worker.id()).collect(),
        "both took part"
    );
    for worker in workers {
        worker.stop().unwrap();
    }
}
