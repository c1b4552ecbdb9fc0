//! Pools that were stopped leave no thread and no open file behind. Alone in its process, which it counts.
#![cfg(all(target_os = "linux", feature = "sqlite"))]
#![allow(clippy::unwrap_used)]

mod left;

use std::time::Duration;

use omniq::{Args, AsyncOmniQ, TaskContext, TaskError, call};

use crate::left::left;

const POOLS: usize = 1_000;

/// Threads that were told to end need a moment: looks again until they have, within a ceiling.
async fn settled(at_most: (usize, usize)) -> (usize, usize) {
    let wait = async {
        loop {
            let (threads, files) = left();
            if threads <= at_most.0 && files <= at_most.1 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(10), wait).await;
    left()
}

async fn nothing(_: TaskContext, _: Args) -> Result<(), TaskError> {
    Ok(())
}

async fn work_once(omniq: &AsyncOmniQ) {
    let pool = omniq.worker().handler("a", nothing).start().await.unwrap();
    let handle = omniq.enqueue(call("a")).await.unwrap();
    let _: serde_json::Value = handle.wait(Duration::from_secs(20)).await.unwrap();
    pool.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_pools_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = |number| format!("sqlite:///{}/{number}.db", folder.path().display());
    let omniq = AsyncOmniQ::connect(&url(0)).await.unwrap();
    work_once(&omniq).await;
    let before = left();
    for _ in 0..POOLS {
        work_once(&omniq).await;
    }
    let after = settled(before).await;
    assert!(
        after.0 <= before.0 && after.1 <= before.1,
        "{before:?}, then {after:?}"
    );

    // Whole queues, each with threads, connections and a doorbell of its own.
    // Each with a file of its own: SQLite keeps descriptors of a file that the process has open elsewhere.
    for number in 1..=20 {
        work_once(&AsyncOmniQ::connect(&url(number)).await.unwrap()).await;
    }
    let after = settled(before).await;
    assert!(
        after.0 <= before.0 && after.1 <= before.1,
        "{before:?}, then {after:?}"
    );
}
