//! What is there after the index was built again, beside the tasks.

use std::fs;

use omniq_core::Storage as _;
use omniq_core::storage::Enqueued;
use omniq_core::{NewTask, TaskId};
use omniq_file::FileStorage;

use crate::common::{NOW, claimed, done, enqueue, open, task, within};

fn unique(key: &str) -> NewTask {
    let mut new = task("a", 1);
    new.unique_key = Some(key.to_owned());
    new
}

fn member(series: TaskId) -> NewTask {
    let mut new = task("a", 2);
    new.series_id = Some(series);
    new
}

async fn meets(storage: &FileStorage, new: NewTask) -> Enqueued {
    within(storage.enqueue(vec![new], NOW)).await.unwrap()[0]
}

#[tokio::test]
async fn keys_and_series_are_written_again_from_the_tasks() {
    for lost in ["nothing", "files", "folders"] {
        let folder = tempfile::tempdir().unwrap();
        let storage = open(folder.path()).unwrap();
        let series = enqueue(&storage, task("first", 0)).await;
        let ended = enqueue(&storage, unique("ended")).await;
        let running = claimed(&storage).await;
        let held = enqueue(&storage, unique("held")).await;
        let live = enqueue(&storage, member(series)).await;
        within(storage.settle(running.iter().map(done).collect(), NOW))
            .await
            .unwrap();
        drop(storage);
        let queue = folder.path().join("queue");
        fs::remove_dir_all(queue.join("index")).unwrap();
        match lost {
            "files" => {
                fs::remove_dir_all(queue.join("keys/a")).unwrap();
                fs::write(queue.join(format!("series/{series}")), [0; 14]).unwrap();
            }
            "folders" => {
                fs::remove_dir_all(queue.join("keys")).unwrap();
                fs::remove_dir_all(queue.join("series")).unwrap();
            }
            _ => {}
        }
        let storage = open(folder.path()).unwrap();
        let found = meets(&storage, unique("held")).await;
        assert_eq!(found, Enqueued::Existing(held), "{lost}");
        let found = meets(&storage, member(series)).await;
        assert_eq!(found, Enqueued::Existing(live), "{lost}");
        let found = meets(&storage, unique("ended")).await;
        assert!(
            matches!(found, Enqueued::New(id) if id != ended),
            "{lost}: {found:?}"
        );
        let rest = claimed(&storage).await;
        within(storage.settle(rest.iter().map(done).collect(), NOW))
            .await
            .unwrap();
        let found = meets(&storage, unique("held")).await;
        assert!(matches!(found, Enqueued::New(_)), "{lost}: {found:?}");
    }
}

/// As somebody would who restores a part of a backup.
#[tokio::test]
async fn an_older_index_costs_no_task() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let first = enqueue(&storage, task("a", 1)).await;
    let second = enqueue(&storage, task("a", 2)).await;
    drop(storage);
    let index = folder.path().join("queue/index/000000000000");
    let old = fs::read(&index).unwrap();
    let storage = open(folder.path()).unwrap();
    let mut running = claimed(&storage).await;
    let third = enqueue(&storage, task("a", 3)).await;
    within(storage.settle(vec![done(&running.remove(0))], NOW))
        .await
        .unwrap();
    drop(storage);
    fs::write(&index, old).unwrap();
    let storage = open(folder.path()).unwrap();
    let mut found = within(storage.claim(crate::common::claim().limit(9))).await;
    if found.is_err() {
        found = within(storage.claim(crate::common::claim().limit(9))).await;
    }
    let ids: Vec<_> = found.unwrap().tasks.iter().map(|task| task.id).collect();
    assert_eq!(ids, [third]);
    let over = within(storage.finished_or_unknown(vec![first, second, third])).await;
    assert_eq!(over.unwrap(), [first]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_lock_that_another_process_keeps_is_an_error_until_it_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let first = enqueue(&storage, task("a", 1)).await;
    // A process that is stopped while it writes keeps what it has locked.
    let lock = fs::File::open(folder.path().join("queue/lock")).unwrap();
    lock.lock().unwrap();
    let refused = within(storage.enqueue(vec![task("a", 2)], NOW)).await;
    let error = refused.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    for expected in [
        "locked by another process",
        "stopped",
        "nothing was changed",
    ] {
        assert!(error.to_string().contains(expected), "{error}");
    }
    lock.unlock().unwrap();
    let third = enqueue(&storage, task("a", 3)).await;
    let found: Vec<_> = claimed(&storage).await.iter().map(|task| task.id).collect();
    assert_eq!(found, [first, third]);
}
