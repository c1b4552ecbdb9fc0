//! After the index is rebuilt, unique keys and series are right, and no task is lost.

use std::fs;

use omniq_core::Storage as _;
use omniq_core::storage::Enqueued;
use omniq_core::{NewTask, TaskId};
use omniq_file::FileStorage;

use crate::common::{NOW, claimed, enqueue, open, success, task, within};

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

async fn enqueue_new(storage: &FileStorage, new: NewTask) -> Enqueued {
    within(storage.enqueue(vec![new], NOW)).await.unwrap()[0]
}

#[tokio::test]
async fn keys_and_series_are_restored_from_the_tasks() {
    for lost in ["nothing", "files", "folders"] {
        let folder = tempfile::tempdir().unwrap();
        let storage = open(folder.path()).unwrap();
        let series = enqueue(&storage, task("first", 0)).await;
        let finished = enqueue(&storage, unique("finished")).await;
        let running = claimed(&storage).await;
        let held = enqueue(&storage, unique("held")).await;
        let unfinished = enqueue(&storage, member(series)).await;
        within(storage.settle(running.iter().map(success).collect(), NOW))
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
        let found = enqueue_new(&storage, unique("held")).await;
        assert_eq!(found, Enqueued::Existing(held), "{lost}");
        let found = enqueue_new(&storage, member(series)).await;
        assert_eq!(found, Enqueued::Existing(unfinished), "{lost}");
        let found = enqueue_new(&storage, unique("finished")).await;
        assert!(
            matches!(found, Enqueued::New(id) if id != finished),
            "{lost}: {found:?}"
        );
        let rest = claimed(&storage).await;
        within(storage.settle(rest.iter().map(success).collect(), NOW))
            .await
            .unwrap();
        let found = enqueue_new(&storage, unique("held")).await;
        assert!(matches!(found, Enqueued::New(_)), "{lost}: {found:?}");
    }
}

/// As after restoring only a part of a backup.
#[tokio::test]
async fn an_older_index_loses_no_task() {
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
    within(storage.settle(vec![success(&running.remove(0))], NOW))
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
    let finished = within(storage.finished_or_unknown(vec![first, second, third])).await;
    assert_eq!(finished.unwrap(), [first]);
}
