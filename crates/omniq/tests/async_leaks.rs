//! Stopped pools leave no thread and no open file behind. This test is alone in its process, because it counts the threads
//! and files of the process.
#![cfg(all(target_os = "linux", feature = "sqlite"))]
#![allow(clippy::unwrap_used)]

mod resources;

use std::time::Duration;

use omniq::{Args, AsyncOmniQ, TaskContext, TaskError, call};

use crate::resources::threads_and_files;

const POOLS: usize = 1_000;

/// Waits until the process holds at most this much, because ending threads need a moment; returns what it holds then, or
/// after a ceiling.
async fn after_threads_ended(at_most: (usize, usize)) -> (usize, usize) {
    let wait = async {
        loop {
            let (threads, files) = threads_and_files();
            if threads <= at_most.0 && files <= at_most.1 {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(10), wait).await;
    threads_and_files()
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
async fn a_thousand_stopped_pools_leave_no_thread_and_no_open_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = |number| format!("sqlite:///{}/{number}.db", folder.path().display());
    let omniq = AsyncOmniQ::connect(&url(0)).await.unwrap();
    work_once(&omniq).await;
    let before = threads_and_files();
    for _ in 0..POOLS {
        work_once(&omniq).await;
    }
    let after = after_threads_ended(before).await;
    assert!(
        after.0 <= before.0 && after.1 <= before.1,
        "{before:?}, then {after:?}"
    );

    // Each queue has threads, connections and a doorbell of its own, and a file of its own: SQLite keeps descriptors of a
    // file that the process has open elsewhere.
    for number in 1..=20 {
        work_once(&AsyncOmniQ::connect(&url(number)).await.unwrap()).await;
    }
    let after = after_threads_ended(before).await;
    assert!(
        after.0 <= before.0 && after.1 <= before.1,
        "{before:?}, then {after:?}"
    );
}
