//! Two worker processes that share one queue.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use omniq::{Backend, call};
use omniq_crashtest::{Mark, worker};

use crate::harness;

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_never_claim_the_same_task() {
    share_tasks(Backend::Sqlite, 2_000).await;
}

/// Two processes with four seats each make eight claimers.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_never_claim_the_same_file_task() {
    share_tasks(Backend::File, 20_000).await;
}

async fn share_tasks(storage: Backend, tasks: usize) {
    let mut harness = harness();
    harness.options.storage = storage;
    let omniq = harness.open().await.unwrap();
    let workers = [
        harness.start_ready_worker().await.unwrap(),
        harness.start_ready_worker().await.unwrap(),
    ];
    let mut handles = Vec::new();
    for _ in (0..tasks).step_by(100) {
        let orders = (0..100).map(|_| call(worker::WORK).arg(1));
        handles.extend(omniq.enqueue_many(orders).await.unwrap());
    }
    for handle in &handles {
        handle.wait(Duration::from_secs(60)).await.unwrap();
    }
    let mut ran = HashMap::new();
    let lines = harness.lines().unwrap();
    for line in lines.iter().filter(|line| line.mark == Mark::Start) {
        let previous = ran.insert(line.id, line.process);
        assert_eq!(previous, None, "task {} ran twice", line.id);
    }
    assert_eq!(ran.len(), tasks);
    let processes: BTreeSet<u32> = ran.values().copied().collect();
    assert_eq!(
        processes,
        workers.iter().map(|worker| worker.id()).collect(),
        "both processes ran tasks"
    );
    for worker in workers {
        worker.stop().unwrap();
    }
}
