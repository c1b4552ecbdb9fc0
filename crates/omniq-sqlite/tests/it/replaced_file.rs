//! Tests a file that is removed or replaced while it is open, or that has two names.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use omniq_core::storage::{ClaimFilter, ClaimRequest};
use omniq_core::{Storage, call};
use omniq_sqlite::SqliteStorage;
use rusqlite::Connection;

use crate::common::{NOW, TestDatabase, enqueue, numbers, open, task, within};
use crate::in_transaction::immediate;

#[tokio::test]
async fn nothing_is_acknowledged_after_the_file_was_moved_away() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let away = db.folder.path().join("away.db");
    let names = ["", "-wal", "-shm"].map(|end| (beside(&db.path, end), beside(&away, end)));
    for (here, there) in &names {
        fs::rename(here, there).unwrap();
    }
    for n in 10..13 {
        let error = enqueue(&storage, task("a", n)).await.unwrap_err();
        assert!(error.is_retryable() && !error.is_unknown(), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("removed or replaced") || text.contains("can't be opened"),
            "{text}"
        );
    }
    assert!(!db.path.exists(), "no new file is created");

    for (here, there) in &names {
        // SQLite removes the extra files of a closed connection.
        if there.exists() {
            fs::rename(there, here).unwrap();
        }
    }
    let id = enqueue(&storage, task("a", 2)).await.unwrap();
    assert!(within(storage.get(vec![id])).await.unwrap()[0].is_some());
    assert_eq!(numbers(&db.plain()), [1, 2]);
}

/// Reads a file by another program: this process would lose its locks when it closes the file.
fn content(path: &Path) -> Vec<u8> {
    Command::new("cat").arg(path).output().unwrap().stdout
}

/// Checks that every call is refused, and that none of them changes the file.
async fn assert_refused(storage: &SqliteStorage, path: &Path, text: &str) {
    let before = content(path);
    for n in 100..120 {
        let error = enqueue(storage, task("a", n)).await.unwrap_err();
        assert!(!error.is_unknown(), "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    assert!(content(path) == before, "the copy was changed");
}

fn assert_intact(conn: &Connection) {
    let check = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0));
    assert_eq!(check, Ok("ok".to_owned()));
}

#[tokio::test]
async fn a_copy_that_was_moved_over_the_file_stays_refused_until_the_same_file_is_back() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let copy = db.folder.path().join("copy.db");
    let away = db.folder.path().join("away.db");
    db.plain()
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    enqueue(&storage, task("a", 2)).await.unwrap();
    fs::rename(&db.path, &away).unwrap();
    fs::copy(&copy, &db.path).unwrap();

    assert_refused(&storage, &db.path, "removed or replaced").await;
    let error = within(storage.stats(NOW)).await.unwrap_err();
    assert!(error.to_string().contains("removed or replaced"), "{error}");
    let mut conn = db.plain();
    let error = storage.enqueue_in(&immediate(&mut conn), call("a"));
    assert!(error.is_err());
    drop(conn);

    fs::rename(&away, &db.path).unwrap();
    let id = enqueue(&storage, task("a", 3)).await.unwrap();
    assert!(within(storage.get(vec![id])).await.unwrap()[0].is_some());
    drop(storage);
    assert_eq!(numbers(&db.plain()), [1, 2, 3]);
    assert_intact(&db.plain());
}

#[tokio::test]
async fn a_storage_that_is_opened_again_uses_the_copy_that_was_moved_over_the_file() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let copy = db.folder.path().join("copy.db");
    db.plain()
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    for n in 2..50 {
        enqueue(&storage, task("a", n)).await.unwrap();
    }
    fs::rename(&copy, &db.path).unwrap();
    assert_refused(&storage, &db.path, "removed or replaced").await;
    drop(storage);

    let storage = db.open();
    enqueue(&storage, task("a", 200)).await.unwrap();
    drop(storage);
    assert_eq!(numbers(&db.plain()), [1, 200]);
    assert_intact(&db.plain());
}

/// Copies a file by another program, for the same reason.
fn overwrite(from: &Path, to: &Path) {
    let status = Command::new("cp").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

/// Writes the `-wal` into the database, and waits until the queue reads a changed file again.
fn checkpoint(db: &TestDatabase) {
    db.plain()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    std::thread::sleep(Duration::from_millis(150));
}

#[cfg(unix)]
#[tokio::test]
async fn an_older_copy_that_was_written_over_the_file_is_refused() {
    let db = TestDatabase::new();
    let storage = db.open();
    let (older, newer) = (
        db.folder.path().join("older.db"),
        db.folder.path().join("newer.db"),
    );
    enqueue(&storage, task("a", 1)).await.unwrap();
    checkpoint(&db);
    overwrite(&db.path, &older);
    enqueue(&storage, task("a", 2)).await.unwrap();
    checkpoint(&db);
    enqueue(&storage, task("a", 3)).await.unwrap();
    checkpoint(&db);
    overwrite(&db.path, &newer);

    overwrite(&older, &db.path);
    assert_refused(&storage, &db.path, "overwritten").await;
    std::fs::write(&older, "These are notes. ".repeat(999)).unwrap();
    overwrite(&older, &db.path);
    assert_refused(&storage, &db.path, "overwritten").await;
    overwrite(&newer, &db.path);
    enqueue(&storage, task("a", 4)).await.unwrap();
    drop(storage);
    assert_eq!(numbers(&db.plain()), [1, 2, 3, 4]);
    assert_intact(&db.plain());
}

#[cfg(unix)]
#[tokio::test]
async fn another_database_that_was_written_over_the_file_is_refused_and_stays_as_it_is() {
    let (db, other) = (TestDatabase::new(), TestDatabase::new());
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    checkpoint(&db);
    let other_storage = other.open();
    for n in 0..100 {
        enqueue(&other_storage, task("b", n)).await.unwrap();
    }
    drop(other_storage);

    overwrite(&other.path, &db.path);
    assert_refused(&storage, &db.path, "another database").await;
    drop(storage);
    assert!(fs::read(&db.path).unwrap() == fs::read(&other.path).unwrap());
}

#[tokio::test]
async fn a_hard_link_is_refused() {
    let db = TestDatabase::new();
    drop(db.open());
    let other = db.folder.path().join("other.db");
    fs::hard_link(&db.path, &other).unwrap();
    for path in [&db.path, &other] {
        let error = open(path).err().unwrap();
        assert!(error.to_string().contains("hard link"), "{error}");
    }
    fs::remove_file(other).unwrap();
    db.open();
}

pub(crate) fn beside(path: &std::path::Path, end: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// A reader keeps a checkpoint from completing: the file then has new pages beside old ones, and is malformed without its
/// `-wal`. That is no sign of another copy.
#[tokio::test]
async fn a_checkpoint_that_a_reader_keeps_incomplete_refuses_nothing() {
    // The content of the file is read from time to time only.
    const SEVERAL_CHECKS: Duration = Duration::from_millis(500);
    const TASKS: usize = 400;
    let db = TestDatabase::new();
    let storage = db.open();
    let lease_for = Duration::from_secs(30);
    enqueue(&storage, task("a", 1)).await.unwrap();
    checkpoint(&db);
    // The file grows, and its first page says so …
    let tasks = (0..TASKS as u64).map(|n| task("a", n)).collect();
    within(storage.enqueue(tasks, NOW)).await.unwrap();
    let owner = omniq_core::OwnerId::from_i64(1).unwrap();
    let request = ClaimRequest::new(owner, ClaimFilter::any(), NOW, lease_for).limit(TASKS);
    let claimed = within(storage.claim(request)).await.unwrap();
    let leases: Vec<_> = claimed.tasks.iter().map(|task| task.lease()).collect();
    let reader = db.plain();
    let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    reader.execute_batch("BEGIN").unwrap();
    reader
        .query_row("SELECT count(*) FROM omniq_task", [], count)
        .unwrap();
    // … and the pages that it has grown by are written again, after what the reader sees.
    within(storage.renew(leases.clone(), lease_for))
        .await
        .unwrap();
    db.plain()
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], count)
        .unwrap();
    let uri = format!("file:{}?immutable=1", db.path.display());
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_URI;
    let alone = Connection::open_with_flags(uri, flags).unwrap();
    let read_alone = alone.query_row("SELECT count(*) FROM omniq_task", [], count);
    assert!(read_alone.is_err(), "the file alone is malformed");
    drop(alone);
    let began = std::time::Instant::now();
    while began.elapsed() < SEVERAL_CHECKS {
        within(storage.renew(leases.clone(), lease_for))
            .await
            .unwrap();
    }
    reader.execute_batch("COMMIT").unwrap();
    drop(storage);
    assert_intact(&db.plain());
}
