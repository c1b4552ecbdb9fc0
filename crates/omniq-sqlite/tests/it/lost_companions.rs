//! Tests a `-wal` or a `-shm` that is removed or replaced while the database is open.
#![cfg(unix)]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use omniq_core::{Storage, call};
use omniq_sqlite::SqliteStorage;

use crate::common::{
    NOW, TestDatabase, claim_of, enqueue, numbers, open, plain, start, task, within,
};
use crate::in_transaction::immediate;
use crate::replaced_file::beside;

/// Longer than the time for which a check counts.
fn pause() {
    std::thread::sleep(Duration::from_millis(3));
}

fn remove(db: &TestDatabase, ends: &[&str]) {
    for end in ends {
        fs::remove_file(beside(&db.path, end)).unwrap();
    }
    pause();
}

/// Enqueues a task until that succeeds. Each error must be true: the task is not there.
async fn enqueue_at_last(storage: &SqliteStorage, number: u64) {
    for _ in 0..200 {
        match enqueue(storage, task("a", number)).await {
            Ok(_) => return,
            Err(error) => {
                assert!(error.is_retryable() && !error.is_unknown(), "{error:?}");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
    panic!("task {number} was never accepted");
}

/// Copies the files as they are now, as a process that is started after a kill would find them.
fn after_a_kill(db: &TestDatabase) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    for end in ["", "-wal"] {
        let from = beside(&db.path, end);
        assert!(
            std::process::Command::new("cp")
                .arg(from)
                .arg(beside(&path, end))
                .status()
                .unwrap()
                .success()
        );
    }
    (folder, path)
}

#[tokio::test]
async fn what_is_acknowledged_after_a_removal_can_be_found() {
    for ends in [&["-wal"][..], &["-shm"], &["-wal", "-shm"]] {
        let db = TestDatabase::new();
        let storage = db.open();
        for n in 1..=3 {
            enqueue(&storage, task("a", n)).await.unwrap();
        }
        remove(&db, ends);
        for n in 4..=6 {
            enqueue_at_last(&storage, n).await;
        }
        let (_folder, path) = after_a_kill(&db);
        assert_eq!(numbers(&plain(&path)), [1, 2, 3, 4, 5, 6], "{ends:?}");
        assert_eq!(
            within(storage.stats(NOW)).await.unwrap()[0].counts.pending,
            6
        );
        drop(storage);
        let conn = db.plain();
        assert_eq!(numbers(&conn), [1, 2, 3, 4, 5, 6], "{ends:?}");
        let check = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0));
        assert_eq!(check, Ok("ok".to_owned()));
    }
}

/// Nobody writes, but a pool waits for work.
#[tokio::test]
async fn a_removed_wal_is_saved_while_the_queue_only_waits() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let mut claim = storage.claim(claim_of("other").park(None));
    start(&mut claim);
    // Commands are executed in their order, so the claim is parked once a later one is answered. A removal during its
    // batch would make the answer unknown, and so end the wait.
    within(storage.renew(Vec::new(), Duration::ZERO))
        .await
        .unwrap();
    remove(&db, &["-wal"]);
    for _ in 0..200 {
        if beside(&db.path, "-wal").exists() {
            let (_folder, path) = after_a_kill(&db);
            assert_eq!(numbers(&plain(&path)), [1]);
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the removal was not noticed");
}

#[tokio::test]
async fn a_reader_delays_the_next_acknowledgement_until_it_ends() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let reader = db.plain();
    reader.execute_batch("BEGIN").unwrap();
    assert_eq!(numbers(&reader), [1]);
    enqueue(&storage, task("a", 2)).await.unwrap();
    remove(&db, &["-wal"]);
    let error = enqueue(&storage, task("a", 3)).await.unwrap_err();
    assert!(error.is_retryable() && !error.is_unknown(), "{error}");
    assert!(
        error.to_string().contains("jobs.db-wal was removed"),
        "{error}"
    );
    reader.execute_batch("COMMIT").unwrap();
    drop(reader);
    enqueue(&storage, task("a", 4)).await.unwrap();
    drop(storage);
    assert_eq!(numbers(&db.plain()), [1, 2, 4]);
}

#[tokio::test]
async fn a_removal_during_a_commit_makes_it_unknown() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let gate = db.disk.close_gate();
    let mut enqueued = storage.enqueue(vec![task("a", 2)], NOW);
    start(&mut enqueued);
    db.disk.wait_until_blocked();
    remove(&db, &["-wal"]);
    drop(gate);
    let error = within(enqueued).await.unwrap_err();
    assert!(error.is_unknown(), "{error}");
    enqueue(&storage, task("a", 3)).await.unwrap();
    drop(storage);
    assert_eq!(numbers(&db.plain()), [1, 2, 3]);
}

#[tokio::test]
async fn two_handles_survive_the_removal_of_the_wal() {
    let db = TestDatabase::new();
    let (one, two) = (db.open(), db.open());
    enqueue(&one, task("a", 1)).await.unwrap();
    enqueue(&two, task("a", 2)).await.unwrap();
    remove(&db, &["-wal"]);
    for n in 0..10 {
        enqueue_at_last(&one, 10 + 2 * n).await;
        enqueue_at_last(&two, 11 + 2 * n).await;
    }
    drop((one, two));
    let conn = db.plain();
    let expected: Vec<u64> = [1, 2].into_iter().chain(10..30).collect();
    assert_eq!(numbers(&conn), expected);
}

#[tokio::test]
async fn a_transaction_is_refused_while_the_wal_is_missing() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut conn = db.plain();
    storage
        .enqueue_in(&immediate(&mut conn), call("a"))
        .unwrap();
    remove(&db, &["-wal"]);
    let error = storage.enqueue_in(&immediate(&mut conn), call("a"));
    let error = error.unwrap_err();
    assert!(error.to_string().contains("jobs.db-wal"), "{error}");
    drop(conn);
    enqueue(&storage, task("a", 1)).await.unwrap();
}

/// Another program that opens the database after the removal of the `-wal` only finds an empty one.
#[tokio::test]
async fn a_second_handle_does_not_use_an_empty_wal_beside_the_removed_one() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    remove(&db, &["-wal"]);
    let mut expected = vec![1, 2, 3];
    match open(&db.path) {
        Err(error) => assert!(error.is_retryable(), "{error:?}"),
        // The first handle may have heard something, and saved its `-wal` already.
        Ok(second) => {
            enqueue(&second, task("a", 0)).await.unwrap();
            expected.insert(0, 0);
        }
    }
    enqueue(&storage, task("a", 2)).await.unwrap();
    let second = db.open();
    enqueue(&second, task("a", 3)).await.unwrap();
    drop((storage, second));
    let mut found = numbers(&db.plain());
    found.sort_unstable();
    assert_eq!(found, expected);
}
