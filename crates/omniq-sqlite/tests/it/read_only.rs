//! Tests databases that can only be read, on a read-only mount in a mount namespace of the test's own.

use std::fs;
use std::path::{Path, PathBuf};

use omniq_core::storage::TaskFilter;
use omniq_core::{Storage, call};
use omniq_sqlite::SqliteStorage;

use crate::common::{
    NOW, TestDatabase, claim_of, enqueue, number, open, plain, success, task, within,
};
use crate::in_transaction::immediate;
use crate::mounts::{may_mount, mount};
use crate::replaced_file::beside;

/// Mounts a folder for reading. Returns the path of the database in it.
fn read_only(folder: &Path, at: &Path) -> PathBuf {
    fs::create_dir(at).unwrap();
    mount(&["--bind"], folder, at);
    mount(&["-o", "remount,bind,ro"], folder, at);
    assert!(fs::write(at.join("file"), "").is_err());
    at.join("jobs.db")
}

async fn listed(storage: &SqliteStorage) -> Vec<u64> {
    let tasks = within(storage.list_tasks(TaskFilter::new())).await.unwrap();
    tasks
        .iter()
        .map(|task| number(&task.payload.bytes))
        .collect()
}

#[tokio::test]
async fn a_database_in_a_read_only_folder_is_opened_for_reading() {
    if !may_mount("read_only::a_database_in_a_read_only_folder_is_opened_for_reading") {
        return;
    }
    let db = TestDatabase::new();
    let mounts = tempfile::tempdir().unwrap();
    let storage = db.open();
    let id = enqueue(&storage, task("a", 1)).await.unwrap();
    enqueue(&storage, task("a", 2)).await.unwrap();
    let claimed = within(storage.claim(claim_of("a"))).await.unwrap();
    drop(storage);

    let path = read_only(db.folder.path(), &mounts.path().join("ro"));
    let storage = open(&path).unwrap();
    assert_eq!(listed(&storage).await, [1, 2]);
    assert!(within(storage.get(vec![id])).await.unwrap()[0].is_some());
    assert_eq!(within(storage.stats(NOW)).await.unwrap().len(), 1);
    for error in [
        enqueue(&storage, task("a", 3)).await.map(drop),
        within(storage.claim(claim_of("a"))).await.map(drop),
        within(storage.settle(vec![success(&claimed.tasks[0])], NOW))
            .await
            .map(drop),
        storage
            .enqueue_in(&immediate(&mut db.plain()), call("a"))
            .map(drop),
    ] {
        let error = error.unwrap_err();
        assert!(error.to_string().contains("for reading only"), "{error}");
        assert!(!error.is_retryable() && !error.is_unknown(), "{error:?}");
    }

    // Another program, which sees the folder by another mount, may write.
    let writer = db.open();
    enqueue(&writer, task("a", 4)).await.unwrap();
    assert_eq!(listed(&storage).await, [1, 2, 4]);
    drop(writer);
    assert_eq!(listed(&storage).await, [1, 2, 4]);
    storage.close().await.unwrap();
}

#[tokio::test]
async fn what_only_the_wal_contains_is_read_or_missed_aloud() {
    if !may_mount("read_only::what_only_the_wal_contains_is_read_or_missed_aloud") {
        return;
    }
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    for ends in [&["", "-wal", "-shm"][..], &["", "-wal"]] {
        // As after a kill.
        let copy = tempfile::tempdir().unwrap();
        let mounts = tempfile::tempdir().unwrap();
        for end in ends {
            let to = beside(&copy.path().join("jobs.db"), end);
            let status = std::process::Command::new("cp")
                .arg(beside(&db.path, end))
                .arg(to)
                .status();
            assert!(status.unwrap().success());
        }
        let path = read_only(copy.path(), &mounts.path().join("ro"));
        if ends.contains(&"-shm") {
            assert_eq!(listed(&open(&path).unwrap()).await, [1]);
        } else {
            let error = open(&path).err().unwrap();
            assert!(error.to_string().contains("copy both files"), "{error}");
        }
    }
}

#[test]
fn a_read_only_folder_without_a_database_is_refused() {
    if !may_mount("read_only::a_read_only_folder_without_a_database_is_refused") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mounts = tempfile::tempdir().unwrap();
    let path = read_only(folder.path(), &mounts.path().join("ro"));
    let error = open(&path).err().unwrap().to_string();
    assert!(error.contains("is it writable?"), "{error}");
    let foreign = folder.path().join("jobs.db");
    drop(rusqlite::Connection::open(&foreign).unwrap());
    plain(&foreign)
        .execute_batch("CREATE TABLE mine (n)")
        .unwrap();
    assert!(open(&path).is_err());
}
