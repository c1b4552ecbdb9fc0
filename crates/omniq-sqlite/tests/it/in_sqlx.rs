//! Tests transactions of sqlx, in one binary with rusqlite on one SQLite.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::Enqueued;
use omniq_core::{CoreSettings, ErrorKind, Storage, TaskId, TaskStatus, call, settle};
use omniq_sqlite::SqliteStorage;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, Transaction};

use crate::common::{NOW, TestDatabase, enqueue, task, within};
use crate::ids_in_order::check_ids_beside_the_queue;
use crate::in_transaction::{BOOK, BUSY_TIMEOUT, Execution, claimed, count, get, without_polls};

pub(crate) async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .vfs("unix")
        .busy_timeout(BUSY_TIMEOUT);
    within(options.connect()).await.unwrap()
}

pub(crate) async fn immediate(conn: &mut SqliteConnection) -> Transaction<'_, Sqlite> {
    within(conn.begin_with("BEGIN IMMEDIATE")).await.unwrap()
}

async fn write_entry(tx: &mut Transaction<'_, Sqlite>) {
    let insert = sqlx::query("INSERT INTO book VALUES ('entry')");
    insert.execute(&mut **tx).await.unwrap();
}

async fn number(conn: &mut SqliteConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(conn).await.unwrap()
}

#[tokio::test]
async fn sqlx_and_rusqlite_are_bound_to_one_sqlite() {
    let db = TestDatabase::new();
    let _storage = db.open();
    let mut conn = connect(&db.path).await;
    let sql = "SELECT sqlite_version() || ' ' || sqlite_source_id()";
    let theirs: String = sqlx::query_scalar(sql).fetch_one(&mut conn).await.unwrap();
    let ours: String = db.plain().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(theirs, ours);
}

#[tokio::test]
async fn a_task_is_committed_atomically_with_the_applications_data() {
    let db = TestDatabase::new();
    let storage = without_polls(&db.path);
    let plain = db.plain();
    plain.execute_batch(BOOK).unwrap();
    let mut conn = connect(&db.path).await;

    let mut tx = immediate(&mut conn).await;
    write_entry(&mut tx).await;
    let rolled_back = storage.enqueue_in_sqlx(&mut tx, call("a")).await.unwrap();
    within(tx.rollback()).await.unwrap();
    assert_eq!(get(&storage, rolled_back).await, None);
    for table in ["book", "omniq_task", "omniq_lane"] {
        assert_eq!(count(&plain, table), 0, "{table}");
    }

    let mut tx = immediate(&mut conn).await;
    write_entry(&mut tx).await;
    let order = || {
        let order = call("b").arg("é\0").kwarg("k", [1.5]).priority(3);
        order.unique_key("key").delay(Duration::ZERO)
    };
    let first = storage.enqueue_in_sqlx(&mut tx, order()).await.unwrap();
    let existing = storage.enqueue_in_sqlx(&mut tx, order()).await.unwrap();
    let every = call("b").interval(Duration::from_secs(60)).queue("other");
    let every = storage.enqueue_in_sqlx(&mut tx, every).await.unwrap();
    within(tx.commit()).await.unwrap();
    assert_eq!(existing, first);
    assert_eq!(count(&plain, "book"), 1);

    // The tasks are as the queue itself would have written them.
    let found = get(&storage, every).await.unwrap();
    assert_eq!(
        (found.series_id, found.queue.as_str()),
        (Some(every), "other")
    );
    let mut found = get(&storage, first).await.unwrap();
    let mut settings = CoreSettings::default();
    settings.queue = "mine".into();
    settings.max_attempts = 7;
    let new = order().into_new_task(&settings).unwrap();
    let now = found.enqueued_at;
    let twin = within(storage.enqueue(vec![new.clone()], now))
        .await
        .unwrap();
    assert_eq!(twin, [Enqueued::Existing(first)]);
    let expected = omniq_core::Task::from_new(new, first, now);
    found.enqueued_at = now;
    assert_eq!(found, expected);
    assert_eq!(claimed(&storage, "b").await.id, first);
}

#[tokio::test]
async fn a_completion_is_committed_atomically_with_the_applications_data() {
    let db = TestDatabase::new();
    let storage = db.open();
    let plain = db.plain();
    plain.execute_batch(BOOK).unwrap();
    let mut conn = connect(&db.path).await;
    let id = enqueue(&storage, task("a", 1)).await.unwrap();
    let execution = Execution(claimed(&storage, "a").await, vec![task("then", 2)]);

    let mut tx = immediate(&mut conn).await;
    write_entry(&mut tx).await;
    storage
        .complete_in_sqlx(&mut tx, &execution, "rolled back")
        .await
        .unwrap();
    drop(tx);
    assert_eq!(number(&mut conn, "SELECT count(*) FROM book").await, 0);
    assert_eq!(get(&storage, id).await.unwrap(), execution.0);

    let mut tx = immediate(&mut conn).await;
    write_entry(&mut tx).await;
    storage
        .complete_in_sqlx(&mut tx, &execution, "stored")
        .await
        .unwrap();
    let again = storage.complete_in_sqlx(&mut tx, &execution, "twice").await;
    assert!(again.unwrap_err().to_string().contains("already"));
    within(tx.commit()).await.unwrap();
    let done = get(&storage, id).await.unwrap();
    assert_eq!((done.status, done.owner), (TaskStatus::Success, None));
    assert_eq!(done.result.unwrap().bytes, b"\"stored\"");
    assert_eq!(count(&plain, "book"), 1);
    assert_eq!(
        claimed(&storage, "then").await.payload,
        task("then", 2).payload
    );
}

#[tokio::test]
async fn a_lost_lease_completes_nothing() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut conn = connect(&db.path).await;
    enqueue(&storage, task("a", 1)).await.unwrap();
    let cancelled = claimed(&storage, "a").await;
    let cancel = settle::cancel(&cancelled).into_change().unwrap();
    within(storage.settle(vec![cancel], NOW)).await.unwrap();
    let before = get(&storage, cancelled.id).await;
    let execution = Execution(cancelled, Vec::new());
    let mut tx = immediate(&mut conn).await;
    let error = storage
        .complete_in_sqlx(&mut tx, &execution, &1)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    within(tx.commit()).await.unwrap();
    assert_eq!(get(&storage, execution.0.id).await, before);
}

#[tokio::test]
async fn a_partial_completion_is_undone_even_if_the_application_commits() {
    let db = TestDatabase::new();
    let storage = db.open();
    let id = enqueue(&storage, task("a", 1)).await.unwrap();
    let execution = Execution(claimed(&storage, "a").await, vec![task("then", 2)]);
    let plain = db.plain();
    plain
        .execute("UPDATE omniq_high_water SET id = ?1", [i64::MAX])
        .unwrap();
    let mut conn = connect(&db.path).await;
    let mut tx = immediate(&mut conn).await;
    let failed = storage.complete_in_sqlx(&mut tx, &execution, &1).await;
    failed.unwrap_err();
    within(tx.commit()).await.unwrap();
    assert_eq!(get(&storage, id).await.unwrap().status, TaskStatus::Running);
}

/// A deferred transaction can't be distinguished from an immediate one. It fails with advice, and changes nothing.
#[tokio::test]
async fn a_deferred_transaction_that_is_too_late_for_the_lock_is_refused() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut conn = connect(&db.path).await;
    let mut tx = within(conn.begin()).await.unwrap();
    assert_eq!(number(&mut tx, "SELECT count(*) FROM omniq_task").await, 0);
    let id = enqueue(&storage, task("a", 1)).await.unwrap();
    let error = storage
        .enqueue_in_sqlx(&mut tx, call("b"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("BEGIN IMMEDIATE"), "{error}");
    assert!(error.is_retryable());
    within(tx.commit()).await.unwrap();

    // If no other connection has written since, it gets the lock, and the writer waits for it.
    let mut tx = within(conn.begin()).await.unwrap();
    let second = storage.enqueue_in_sqlx(&mut tx, call("b")).await.unwrap();
    assert!(second > id);
    within(tx.commit()).await.unwrap();
    let third = enqueue(&storage, task("a", 1)).await.unwrap();
    assert!(third > second);
}

#[tokio::test]
async fn another_database_is_refused() {
    let (db, other) = (TestDatabase::new(), TestDatabase::new());
    let (storage, _other) = (db.open(), other.open());
    let in_memory = SqliteStorage::open_in_memory(&CoreSettings::default()).unwrap();
    let mut conn = connect(&other.path).await;
    let mut tx = immediate(&mut conn).await;
    for (storage, expected) in [(&storage, "another database"), (&in_memory, "in memory")] {
        let error = storage
            .enqueue_in_sqlx(&mut tx, call("b"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
        assert!(error.to_string().contains(expected), "{error}");
    }
    let mut conn = SqliteConnection::connect("sqlite::memory:").await.unwrap();
    let mut tx = immediate(&mut conn).await;
    let error = storage
        .enqueue_in_sqlx(&mut tx, call("b"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no tables of OmniQ"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_of_the_queue_and_of_transactions_rise_in_the_order_of_commits() {
    check_ids_beside_the_queue(|storage, path, number| {
        tokio::spawn(by_transactions(storage, path, number))
    })
    .await;
}

/// Enqueues in transactions, every third of which is rolled back.
async fn by_transactions(storage: Arc<SqliteStorage>, path: PathBuf, number: u64) -> Vec<TaskId> {
    let mut conn = connect(&path).await;
    let mut ids = Vec::new();
    for round in 0..30 {
        let mut tx = immediate(&mut conn).await;
        let order = call(format!("name{}", (number + round) % 11));
        let id = storage.enqueue_in_sqlx(&mut tx, order).await.unwrap();
        if round % 3 == 0 {
            within(tx.rollback()).await.unwrap();
        } else {
            within(tx.commit()).await.unwrap();
            ids.push(id);
        }
    }
    ids
}
