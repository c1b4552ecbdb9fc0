//! Tests that a database that can't be opened is refused with a helpful text, and left unchanged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Barrier;

use omniq_core::{Error, ErrorKind, Storage};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::common::{NOW, TestDatabase, enqueue, open, plain, task, within};

/// Returns every file in a folder, with its bytes.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file());
    files
        .map(|path| (path.clone(), std::fs::read(&path).unwrap()))
        .collect()
}

/// Returns the error of opening `path`. It must name the path and contain `texts`, and leave the folder unchanged.
fn refused(folder: &Path, path: &Path, texts: &[&str]) -> Error {
    let before = contents(folder);
    let error = match open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Storage);
    let text = error.chain().to_string();
    for part in texts.iter().chain(&[path.to_str().unwrap()]) {
        assert!(text.contains(part), "{part:?} is missing in {text:?}");
    }
    assert!(
        contents(folder) == before,
        "{text}, but something was changed"
    );
    error
}

#[test]
fn a_path_that_cannot_hold_a_database_is_refused() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let text = folder.join("notes.txt");
    std::fs::write(&text, "These are notes, not a database. ".repeat(99)).unwrap();
    std::fs::create_dir(folder.join("folder")).unwrap();

    let error = refused(folder, &text, &["not a database", "path of a SQLite file"]);
    assert!(!error.is_retryable());
    let error = refused(folder, &folder.join("folder"), &["is a folder"]);
    assert!(!error.is_retryable());
    let paths = [folder.join("missing").join("jobs.db"), text.join("jobs.db")];
    for path in paths {
        refused(
            folder,
            &path,
            &["does its folder exist, and is it writable?"],
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_accepts_no_files_is_refused() {
    // Nobody can create a file here, not even the superuser.
    let path = Path::new("/proc/jobs.db");
    let error = open(path).err().unwrap().to_string();
    assert!(
        error.contains("/proc/jobs.db") && error.contains("writable"),
        "{error}"
    );
}

#[test]
fn a_newer_schema_is_refused_and_left_unchanged() {
    for mode in ["delete", "wal"] {
        let db = TestDatabase::new();
        drop(db.open());
        let conn = db.plain();
        conn.pragma_update(None, "journal_mode", mode).unwrap();
        conn.execute("INSERT INTO omniq_schema (version) VALUES (99)", [])
            .unwrap();
        drop(conn);
        let texts = ["schema 99", "up to 1", "newer OmniQ"];
        refused(db.folder.path(), &db.path, &texts);
        let found = db
            .plain()
            .query_row("PRAGMA journal_mode", [], |row| row.get(0));
        assert_eq!(found, Ok(mode.to_owned()));
    }
}

#[test]
fn a_disk_without_shared_memory_is_refused() {
    let db = TestDatabase::new();
    let conn = Connection::open(&db.path).unwrap();
    conn.execute_batch("CREATE TABLE mine (n); INSERT INTO mine VALUES (1)")
        .unwrap();
    drop(conn);
    db.disk.share_no_memory();
    let texts = ["journal_mode", "\"delete\"", "\"wal\"", "use a local disk"];
    refused(db.folder.path(), &db.path, &texts);
}

#[tokio::test]
async fn an_applications_own_tables_and_settings_stay_unchanged() {
    let db = TestDatabase::new();
    let conn = Connection::open(&db.path).unwrap();
    conn.execute_batch(
        "PRAGMA user_version = 7;
         PRAGMA application_id = 77;
         CREATE TABLE orders (id INTEGER PRIMARY KEY, text TEXT);
         CREATE TABLE task (id INTEGER PRIMARY KEY);
         INSERT INTO orders VALUES (1, 'first'), (2, 'second')",
    )
    .unwrap();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    conn.execute("INSERT INTO orders VALUES (3, 'third')", [])
        .unwrap();
    drop(storage);

    let one = |sql: &str| -> String { conn.query_row(sql, [], |row| row.get(0)).unwrap() };
    let orders = "SELECT group_concat(id || text, ' ' ORDER BY id) FROM orders";
    assert_eq!(one(orders), "1first 2second 3third");
    assert_eq!(
        one("SELECT CAST(user_version AS TEXT) FROM pragma_user_version"),
        "7"
    );
    assert_eq!(
        one("SELECT CAST(application_id AS TEXT) FROM pragma_application_id"),
        "77"
    );
    let others = "SELECT group_concat(name, ' ' ORDER BY name) FROM sqlite_schema
        WHERE name NOT LIKE 'omniq\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    assert_eq!(one(others), "orders task");
}

#[test]
fn many_threads_can_open_a_new_database_at_the_same_time() {
    const OPENERS: usize = 8;
    for _ in 0..10 {
        let db = TestDatabase::new();
        let start = Barrier::new(OPENERS);
        std::thread::scope(|scope| {
            for _ in 0..OPENERS {
                scope.spawn(|| {
                    start.wait();
                    open(&db.path).map(drop).unwrap();
                });
            }
        });
        let sql = "SELECT group_concat(version) FROM omniq_schema";
        let versions: String = db.plain().query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(versions, "1");
    }
}

/// A table of the application may happen to have the name of ours.
#[test]
fn a_foreign_schema_table_is_refused() {
    let db = TestDatabase::new();
    let conn = Connection::open(&db.path).unwrap();
    conn.execute_batch("CREATE TABLE omniq_schema (text TEXT)")
        .unwrap();
    drop(conn);
    refused(
        db.folder.path(),
        &db.path,
        &["can't be read as an OmniQ database"],
    );
}

#[tokio::test]
async fn the_error_for_a_damaged_task_names_it() {
    let db = TestDatabase::new();
    let storage = db.open();
    let id = enqueue(&storage, task("a", 1)).await.unwrap();
    let sql = "UPDATE omniq_task SET backoff = 'x' WHERE id = ?1";
    db.plain().execute(sql, [id.as_i64()]).unwrap();
    let error = within(storage.get(vec![id])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(error.to_string().contains(&id.to_string()), "{error}");
    let again = within(storage.enqueue(vec![task("a", 2)], NOW)).await;
    assert!(
        again.is_ok(),
        "reading the damaged task does not affect other calls"
    );
    let count: u32 = plain(&db.path)
        .query_row("SELECT count(*) FROM omniq_task", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 2);
}
