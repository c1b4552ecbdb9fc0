//! Tests tasks that commit with the application's own data, in a transaction of rusqlite.

use std::path::Path;
use std::time::Duration;

use omniq_core::storage::{ClaimFilter, ClaimRequest, Enqueued};
use omniq_core::{
    Change, Completes, CoreSettings, ErrorKind, Format, Outcome, Payload, Result, Storage, Task,
    TaskId, TaskStatus, Timestamp, call, settle,
};
use omniq_sqlite::SqliteStorage;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde::Serialize;

use crate::common::{LEASE, NOW, TestDatabase, claim_of, enqueue, owner, start, task, within};

/// The busy timeout of the application's connection. It is long because another connection gets SQLite's lock only by
/// chance while the queue is busy.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// The application's own table.
pub(crate) const BOOK: &str = "CREATE TABLE book (entry TEXT)";

pub(crate) fn immediate(conn: &mut Connection) -> Transaction<'_> {
    conn.transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap()
}

pub(crate) fn write_entry(tx: &Transaction<'_>) {
    tx.execute("INSERT INTO book VALUES ('entry')", []).unwrap();
}

pub(crate) fn count(conn: &Connection, table: &str) -> u32 {
    let sql = format!("SELECT count(*) FROM {table}");
    conn.query_row(&sql, [], |row| row.get(0)).unwrap()
}

/// A handler's execution, and the follow-up tasks that it requested.
pub(crate) struct Execution(pub(crate) Task, pub(crate) Vec<omniq_core::NewTask>);

impl Completes for Execution {
    fn success<T: Serialize + ?Sized>(&self, value: &T) -> Result<(Change, Timestamp)> {
        let result = Payload::encode(Format::Json, value).unwrap();
        let then = self.1.clone();
        let change = settle::settle(&self.0, Outcome::Succeeded { result, then }, NOW, 0.0)?;
        Ok((change, NOW))
    }
}

pub(crate) async fn claimed(storage: &SqliteStorage, name: &str) -> Task {
    let mut claimed = within(storage.claim(claim_of(name))).await.unwrap();
    claimed.tasks.pop().expect("there is a task")
}

pub(crate) async fn get(storage: &SqliteStorage, id: TaskId) -> Option<Task> {
    within(storage.get(vec![id])).await.unwrap().remove(0)
}

/// Opens a storage that polls so rarely that no poll happens during a test.
pub(crate) fn without_polls(path: &Path) -> SqliteStorage {
    let mut settings = CoreSettings::default();
    settings.poll_interval = Duration::from_secs(3600);
    settings.queue = "mine".into();
    settings.max_attempts = 7;
    SqliteStorage::open(path, &settings).unwrap()
}

#[tokio::test]
async fn a_task_is_committed_atomically_with_the_applications_data() {
    let db = TestDatabase::new();
    let storage = without_polls(&db.path);
    let mut conn = db.plain();
    conn.execute_batch(BOOK).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();

    let tx = immediate(&mut conn);
    write_entry(&tx);
    let rolled_back = storage.enqueue_in(&tx, call("a").arg(1)).unwrap();
    assert_eq!(count(&tx, "omniq_task"), 1);
    tx.rollback().unwrap();
    assert_eq!(get(&storage, rolled_back).await, None);
    for table in ["book", "omniq_task", "omniq_lane"] {
        assert_eq!(count(&conn, table), 0, "{table}");
    }

    let tx = immediate(&mut conn);
    write_entry(&tx);
    let first = storage.enqueue_in(&tx, call("b").arg(1)).unwrap();
    let second = storage.enqueue_in(&tx, call("b").arg(2)).unwrap();
    tx.commit().unwrap();
    assert!(rolled_back <= second && first < second);
    assert_eq!(count(&conn, "book"), 1);
    let task = get(&storage, first).await.unwrap();
    assert_eq!((task.name.as_str(), task.queue.as_str()), ("b", "mine"));
    assert_eq!(task.max_attempts, 7);
    let task = claimed(&storage, "b").await;
    assert_eq!(task.id, first);
}

#[tokio::test]
async fn a_lane_that_was_rolled_back_is_not_remembered() {
    let db = TestDatabase::new();
    let (storage, other) = (db.open(), db.open());
    let mut conn = db.plain();
    for round in 0..4_u64 {
        let tx = immediate(&mut conn);
        storage
            .enqueue_in(&tx, call("rolled back").arg(round))
            .unwrap();
        tx.rollback().unwrap();
        let name = format!("name{round}");
        let id = enqueue(&storage, task(&name, round)).await.unwrap();
        assert_eq!(get(&other, id).await.unwrap().name, name);
        let tx = immediate(&mut conn);
        let id = storage.enqueue_in(&tx, call(name.as_str())).unwrap();
        tx.commit().unwrap();
        assert_eq!(get(&storage, id).await.unwrap().name, name);
    }
    assert_eq!(count(&conn, "omniq_lane"), 4, "each name has one lane");
}

#[tokio::test]
async fn a_unique_key_answers_with_the_task_that_holds_it() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut conn = db.plain();
    let order = || call("a").unique_key("k");

    let tx = immediate(&mut conn);
    let rolled_back = storage.enqueue_in(&tx, order()).unwrap();
    assert_eq!(storage.enqueue_in(&tx, order()).unwrap(), rolled_back);
    tx.rollback().unwrap();

    let mut keyed = task("a", 1);
    keyed.unique_key = Some("k".into());
    let holder = enqueue(&storage, keyed.clone()).await.unwrap();
    let tx = immediate(&mut conn);
    assert_eq!(storage.enqueue_in(&tx, order()).unwrap(), holder);
    let free = call("a").unique_key("free");
    let free = storage.enqueue_in(&tx, free).unwrap();
    tx.commit().unwrap();
    assert_eq!(count(&conn, "omniq_task"), 2);
    keyed.unique_key = Some("free".into());
    let answer = within(storage.enqueue(vec![keyed], NOW)).await.unwrap();
    assert_eq!(answer, [Enqueued::Existing(free)]);
}

#[tokio::test]
async fn a_transaction_without_the_write_lock_is_refused() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut conn = db.plain();
    conn.execute_batch(BOOK).unwrap();
    let refused = |tx: &Transaction<'_>| {
        let error = storage.enqueue_in(tx, call("a")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
        assert!(error.to_string().contains("Immediate"), "{error}");
    };
    let tx = conn.transaction().unwrap();
    refused(&tx);
    assert_eq!(count(&tx, "book"), 0);
    refused(&tx);
    // A transaction that has written has the lock, however it was begun.
    write_entry(&tx);
    storage.enqueue_in(&tx, call("a")).unwrap();
    tx.execute_batch("COMMIT").unwrap();
    refused(&tx);
    drop(tx);
    let exclusive = conn.transaction_with_behavior(TransactionBehavior::Exclusive);
    let tx = exclusive.unwrap();
    storage.enqueue_in(&tx, call("a")).unwrap();
    tx.commit().unwrap();
    assert_eq!(count(&conn, "omniq_task"), 2);
}

#[tokio::test]
async fn a_connection_to_another_database_is_refused() {
    let (db, other) = (TestDatabase::new(), TestDatabase::new());
    let storage = db.open();
    drop(other.open());
    let copy = db.folder.path().join("copy.db");
    let copying = db.plain();
    copying
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    let attached = Connection::open_in_memory().unwrap();
    attached
        .execute("ATTACH ?1 AS jobs", [db.path.to_str().unwrap()])
        .unwrap();
    let cases = [
        (Connection::open_in_memory().unwrap(), "no tables of OmniQ"),
        (attached, "no tables of OmniQ"),
        (other.plain(), "another database"),
        (Connection::open(copy).unwrap(), "a copy"),
    ];
    for (mut conn, expected) in cases {
        let tx = immediate(&mut conn);
        let error = storage.enqueue_in(&tx, call("a")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
        assert!(error.to_string().contains(expected), "{error}");
    }
    // The same file by another path is the same database.
    let link = db.folder.path().join("link");
    std::os::unix::fs::symlink(db.folder.path(), &link).unwrap();
    let mut conn = crate::common::plain(&link.join("jobs.db"));
    let tx = immediate(&mut conn);
    storage.enqueue_in(&tx, call("a")).unwrap();
}

/// SQLite searches the temporary tables first for a name.
#[tokio::test]
async fn a_temporary_table_of_the_same_name_is_not_used() {
    let db = TestDatabase::new();
    let storage = without_polls(&db.path);
    let mut conn = db.plain();
    for table in ["omniq_task", "omniq_lane", "omniq_high_water"] {
        let sql = format!("CREATE TEMP TABLE {table} AS SELECT * FROM main.{table}");
        conn.execute_batch(&sql).unwrap();
    }
    let tx = conn
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    let id = storage.enqueue_in(&tx, omniq_core::call("a")).unwrap();
    tx.commit().unwrap();
    assert!(get(&storage, id).await.is_some());
    let task = claimed(&storage, "a").await;
    let tx = conn
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    storage
        .complete_in(&tx, &Execution(task, Vec::new()), &1)
        .unwrap();
    tx.commit().unwrap();
    assert_eq!(get(&storage, id).await.unwrap().status, TaskStatus::Success);
}

#[tokio::test]
async fn a_storage_in_memory_is_refused() {
    let storage = SqliteStorage::open_in_memory(&CoreSettings::default()).unwrap();
    let mut conn = Connection::open_in_memory().unwrap();
    let error = storage.enqueue_in(&immediate(&mut conn), call("a"));
    let error = error.unwrap_err();
    assert!(error.to_string().contains("in memory"), "{error}");
    storage.ring();
}

#[tokio::test]
async fn ring_wakes_the_waiting_claims_of_every_handle() {
    let db = TestDatabase::new();
    let (here, there) = (without_polls(&db.path), without_polls(&db.path));
    let mut conn = db.plain();
    let request = || ClaimRequest::new(owner(1), ClaimFilter::any().names(["a"]), NOW, LEASE);
    let mut parked = [
        here.claim(request().park(None)),
        there.claim(request().park(None)),
    ];
    for claim in &mut parked {
        start(claim);
    }
    // An answer shows that the claim before it was parked.
    for storage in [&here, &there] {
        enqueue(storage, task("else", 1)).await.unwrap();
    }
    let tx = immediate(&mut conn);
    here.enqueue_in(&tx, call("a")).unwrap();
    tx.commit().unwrap();
    here.ring();
    for claim in parked {
        let answer = within(claim).await.unwrap();
        assert!(answer.next_due.is_some_and(|due| due <= NOW), "{answer:?}");
    }
}
