//! Many waits in one process for what another one finishes.

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

use crate::failing::Failing;
use crate::setup::{CEILING, quick, with, within};

const WAITS: usize = 10_000;
const AT_ONCE: usize = 100;
/// Later than any eta.
const NOW: Timestamp = Timestamp(i64::MAX / 2);

type Wait<'a> = Pin<Box<dyn Future<Output = omniq::Result<u64>> + Send + 'a>>;

/// All waits, each of which has told the hub.
async fn wait_for<'a>(omniq: &AsyncOmniQ, handles: &'a [TaskHandle<u64>]) -> Vec<Wait<'a>> {
    let mut waits: Vec<Wait<'a>> = Vec::new();
    for handle in handles {
        let mut wait: Wait<'a> = Box::pin(handle.wait(CEILING));
        let mut context = Context::from_waker(Waker::noop());
        assert!(wait.as_mut().poll(&mut context).is_pending());
        waits.push(wait);
    }
    // The hub takes its wishes in order: with this answer, it knows all of them.
    let last = omniq.enqueue(call("last").delay(CEILING)).await.unwrap();
    assert!(last.cancel().await.unwrap());
    last.wait(CEILING).await.unwrap_err();
    waits
}

async fn claim_all(storage: &SqliteStorage) -> Vec<Task> {
    let owner = OwnerId::from_i64(1).unwrap();
    let filter = ClaimFilter::any().names(["wanted"]);
    let request = ClaimRequest::new(owner, filter, NOW, Duration::from_secs(60)).limit(WAITS);
    let claimed = storage.claim(request).await.unwrap();
    assert_eq!(claimed.tasks.len(), WAITS);
    claimed.tasks
}

async fn finish(storage: &SqliteStorage, tasks: &[Task]) {
    let done = |task: &Task| {
        let (result, then) = (Payload::new(Format::Json, b"7".to_vec()), Vec::new());
        settle::settle(task, Outcome::Succeeded { result, then }, NOW, 0.0).unwrap()
    };
    let changes = tasks.iter().map(done).collect();
    storage.settle(changes, NOW).await.unwrap();
}

async fn scenario() {
    let folder = tempfile::tempdir().unwrap();
    let open =
        || SqliteStorage::open(folder.path().join("q.db"), &quick().build().unwrap()).unwrap();
    let (here, there) = (Failing::around(Arc::new(open())), open());
    let omniq = with(here.clone(), quick()).await;
    let orders = (0..WAITS).map(|_| Order::<u64>::new("wanted"));
    let handles = omniq.enqueue_many(orders).await.unwrap();
    let waits = wait_for(&omniq, &handles).await;
    here.looks.store(0, Ordering::SeqCst);
    here.read.store(0, Ordering::SeqCst);

    let tasks = claim_all(&there).await;
    for some in tasks.chunks(AT_ONCE) {
        finish(&there, some).await;
    }
    for wait in waits {
        assert_eq!(wait.await.unwrap(), 7);
    }
    let (looks, read) = (&here.looks, &here.read);
    let commits = WAITS / AT_ONCE + 1;
    let (looks, read) = (looks.load(Ordering::SeqCst), read.load(Ordering::SeqCst));
    assert!(
        looks as usize <= 4 * commits,
        "{looks} looks for {commits} commits"
    );
    assert!(
        (read as usize) < WAITS + 20 * commits,
        "{read} tasks were read"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_waits_share_a_question_and_each_result_is_read_once() {
    within(scenario()).await;
}
