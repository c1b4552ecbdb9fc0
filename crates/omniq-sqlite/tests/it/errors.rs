//! Tests the errors of each path: the source keeps its concrete type, and no text repeats the text of its cause.

use std::error::Error as _;

use omniq_core::{CoreSettings, Error, Storage, call};
use omniq_sqlite::SqliteStorage;
use rusqlite::{ErrorCode, ffi};

use crate::common::{NOW, TestDatabase, claim_of, enqueue, open, start, task, within};
use crate::in_transaction::immediate;

/// Refuses every new task.
const REFUSE: &str = "CREATE TRIGGER refuse BEFORE INSERT ON omniq_task
    BEGIN SELECT raise(ABORT, 'no more tasks'); END";

/// Checks that no text of the chain contains the text of a cause, and that one-line formats print all of them.
/// Returns the chain as `anyhow`'s `{:#}` prints it.
fn chain(error: &Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    assert!(texts.len() > 1, "{error:?} has no source");
    for (at, text) in texts.iter().enumerate() {
        let repeated = texts[..at].iter().any(|before| before.contains(text));
        assert!(!repeated, "{text:?} is repeated in {texts:#?}");
    }
    let chain = texts.join(": ");
    assert_eq!(error.chain().to_string(), chain);
    eprintln!("{chain}");
    chain
}

/// Returns the source, which must be an error of rusqlite.
fn rusqlite_source(error: &Error) -> &rusqlite::Error {
    chain(error);
    let source = error.source().and_then(|source| source.downcast_ref());
    source.unwrap_or_else(|| panic!("the source of {error:?} is not a rusqlite::Error"))
}

#[test]
fn opening_a_file_that_is_not_a_database() {
    let db = TestDatabase::new();
    std::fs::write(&db.path, "These are notes, not a database. ".repeat(99)).unwrap();
    let error = open(&db.path).err().unwrap();
    let code = rusqlite_source(&error).sqlite_error_code();
    assert_eq!(code, Some(ErrorCode::NotADatabase));
}

#[test]
fn opening_a_file_that_was_removed_keeps_the_io_error() {
    let db = TestDatabase::new();
    let settings = CoreSettings::default();
    let storage = SqliteStorage::open(&db.path, &settings).unwrap();
    let conn = db.plain();
    std::fs::remove_file(&db.path).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let error = runtime.block_on(enqueue(&storage, task("a", 1)));
    let error = error.unwrap_err();
    chain(&error);
    let source = error.source().and_then(|source| source.downcast_ref());
    let kind = source.map(std::io::Error::kind);
    assert_eq!(kind, Some(std::io::ErrorKind::NotFound), "{error:?}");
    drop(conn);
}

#[tokio::test]
async fn a_write_that_is_refused() {
    let db = TestDatabase::new();
    let storage = db.open();
    db.plain().execute_batch(REFUSE).unwrap();
    let error = enqueue(&storage, task("a", 1)).await.unwrap_err();
    let code = rusqlite_source(&error).sqlite_error_code();
    assert_eq!(code, Some(ErrorCode::ConstraintViolation));
    assert!(chain(&error).contains("nothing was changed: no more tasks"));
}

#[tokio::test]
async fn a_commit_that_fails_for_many_callers() {
    let db = TestDatabase::new();
    let storage = db.open();
    let gate = db.disk.close_gate();
    let mut first = storage.enqueue(vec![task("a", 1)], NOW);
    start(&mut first);
    db.disk.wait_until_blocked();
    let mut others: Vec<_> = (2..6)
        .map(|n| storage.enqueue(vec![task("a", n)], NOW))
        .collect();
    others.iter_mut().for_each(start);
    db.disk.fail_syncs_after(1);
    drop(gate);
    within(first).await.unwrap();
    for answer in others {
        let error = within(answer).await.unwrap_err();
        assert!(error.is_unknown(), "{error:?}");
        let code = rusqlite_source(&error).sqlite_error_code();
        assert_eq!(code, Some(ErrorCode::SystemIoFailure));
    }
}

#[tokio::test]
async fn a_full_disk_for_many_callers() {
    let db = TestDatabase::new();
    let storage = db.open();
    db.disk.fail_writes_after(0, ffi::SQLITE_FULL);
    let error = enqueue(&storage, task("a", 1)).await.unwrap_err();
    let code = rusqlite_source(&error).sqlite_error_code();
    assert_eq!(code, Some(ErrorCode::DiskFull));
}

#[tokio::test]
async fn a_read_that_fails() {
    let db = TestDatabase::new();
    let storage = db.open();
    let id = enqueue(&storage, task("a", 1)).await.unwrap();
    db.plain()
        .execute_batch("DROP TABLE omniq_error; UPDATE omniq_task SET lease = 2")
        .unwrap();
    let error = within(storage.get(vec![id])).await.unwrap_err();
    rusqlite_source(&error);
    assert!(chain(&error).contains("can't be read: no such table"));
}

#[tokio::test]
async fn a_row_that_is_damaged() {
    let db = TestDatabase::new();
    let storage = db.open();
    let id = enqueue(&storage, task("a", 1)).await.unwrap();
    let damage = |set: &str| {
        let sql = format!("UPDATE omniq_task SET {set}");
        db.plain().execute(&sql, []).unwrap();
    };
    damage("priority = 3000000000");
    let error = within(storage.get(vec![id])).await.unwrap_err();
    let out_of_range = rusqlite::Error::IntegralValueOutOfRange(3, 3_000_000_000);
    assert_eq!(*rusqlite_source(&error), out_of_range);

    damage("priority = 0, headers = '{broken'");
    let error = within(storage.get(vec![id])).await.unwrap_err();
    chain(&error);
    assert!(error.source().unwrap().is::<serde_json::Error>());

    // The stored error of the task that fails names the cause too.
    within(storage.claim(claim_of("a"))).await.unwrap();
    let sql = "SELECT error FROM omniq_error";
    let stored: String = db.plain().query_row(sql, [], |row| row.get(0)).unwrap();
    assert!(stored.contains("headers: key must be"), "{stored}");
}

#[tokio::test]
async fn a_transaction_of_rusqlite() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut conn = db.plain();
    conn.execute_batch(REFUSE).unwrap();
    let tx = immediate(&mut conn);
    let error = storage.enqueue_in(&tx, call("a")).unwrap_err();
    let code = rusqlite_source(&error).sqlite_error_code();
    assert_eq!(code, Some(ErrorCode::ConstraintViolation));
}

#[cfg(feature = "sqlx")]
#[tokio::test]
async fn a_transaction_of_sqlx() {
    use sqlx::sqlite::SqliteError;

    let db = TestDatabase::new();
    let storage = db.open();
    db.plain().execute_batch(REFUSE).unwrap();
    let mut conn = crate::in_sqlx::connect(&db.path).await;
    let mut tx = crate::in_sqlx::immediate(&mut conn).await;
    let error = storage.enqueue_in_sqlx(&mut tx, call("a")).await;
    let error = error.unwrap_err();
    assert!(chain(&error).contains("nothing was changed: (code: 1811) no more tasks"));
    assert!(error.source().unwrap().is::<SqliteError>());
}
