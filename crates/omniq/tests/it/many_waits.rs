//! Many waits in one process for tasks that another process finishes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::Duration;

use omniq::storage::OwnerId;
use omniq::storage::{ClaimFilter, ClaimRequest};
use omniq::{AsyncOmniQ, Order, SqliteStorage, Storage, Task, TaskHandle, Timestamp, call};
use omniq_core::{Format, Outcome, Payload, settle};

use crate::failing_storage::FailingStorage;
use crate::setup::{CEILING, quick, with, within};

const WAITS: usize = 10_000;
const BATCH: usize = 100;
/// A time later than any eta.
const NOW: Timestamp = Timestamp(i64::MAX / 2);

type Wait<'a> = Pin<Box<dyn Future<Output = omniq::Result<u64>> + Send + 'a>>;

/// Starts a wait for each handle; returns once all of them are registered.
async fn start_waits<'a>(omniq: &AsyncOmniQ, handles: &'a [TaskHandle<u64>]) -> Vec<Wait<'a>> {
    let mut waits: Vec<Wait<'a>> = Vec::new();
    for handle in handles {
        let mut wait: Wait<'a> = Box::pin(handle.wait(CEILING));
        let mut context = Context::from_waker(Waker::noop());
        assert!(wait.as_mut().poll(&mut context).is_pending());
        waits.push(wait);
    }
    // Waits are registered in order: once this one is answered, all of them are.
    let last = omniq.enqueue(call("last").delay(CEILING)).await.unwrap();
    assert!(last.cancel().await.unwrap());
    last.wait(CEILING).await.unwrap_err();
    waits
}

async fn claim_all(storage: &SqliteStorage) -> Vec<Task> {
    let owner = OwnerId::from_i64(1).unwrap();
    let filter = ClaimFilter::any().names(["awaited"]);
    let request = ClaimRequest::new(owner, filter, NOW, Duration::from_secs(60)).limit(WAITS);
    let claimed = storage.claim(request).await.unwrap();
    assert_eq!(claimed.tasks.len(), WAITS);
    claimed.tasks
}

async fn finish(storage: &SqliteStorage, tasks: &[Task]) {
    let success = |task: &Task| {
        let (result, then) = (Payload::new(Format::Json, b"7".to_vec()), Vec::new());
        settle::settle(task, Outcome::Succeeded { result, then }, NOW, 0.0).unwrap()
    };
    let changes = tasks.iter().map(success).collect();
    storage.settle(changes, NOW).await.unwrap();
}

async fn scenario() {
    let folder = tempfile::tempdir().unwrap();
    let open =
        || SqliteStorage::open(folder.path().join("q.db"), &quick().build().unwrap()).unwrap();
    let (here, there) = (FailingStorage::wrap(Arc::new(open())), open());
    let omniq = with(here.clone(), quick()).await;
    let orders = (0..WAITS).map(|_| Order::<u64>::new("awaited"));
    let handles = omniq.enqueue_many(orders).await.unwrap();
    let waits = start_waits(&omniq, &handles).await;
    here.read_calls.store(0, Ordering::SeqCst);
    here.tasks_read.store(0, Ordering::SeqCst);

    let tasks = claim_all(&there).await;
    for batch in tasks.chunks(BATCH) {
        finish(&there, batch).await;
    }
    for wait in waits {
        assert_eq!(wait.await.unwrap(), 7);
    }
    let commits = WAITS / BATCH + 1;
    let read_calls = here.read_calls.load(Ordering::SeqCst);
    let tasks_read = here.tasks_read.load(Ordering::SeqCst);
    assert!(
        read_calls as usize <= 4 * commits,
        "{read_calls} reads for {commits} commits"
    );
    assert!(
        (tasks_read as usize) < WAITS + 20 * commits,
        "{tasks_read} tasks were read"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_waits_share_a_few_reads_and_each_result_is_read_once() {
    within(scenario()).await;
}
