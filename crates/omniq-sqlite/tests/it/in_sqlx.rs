//! The same in a transaction of sqlx, in one binary with rusqlite on one SQLite.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::Enqueued;
use omniq_core::{CoreSettings, ErrorKind, Storage, TaskId, TaskStatus, call, settle};
use omniq_sqlite::SqliteStorage;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, Transaction};

use crate::common::{NOW, Place, enqueue, task, within};
use crate::ids_in_order::rise_beside;
use crate::in_transaction::{BOOK, Execution, PATIENCE, claimed, count, get, without_polls};

async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .vfs("unix")
        .busy_timeout(PATIENCE);
    within(options.connect()).await.unwrap()
}

async fn immediate(conn: &mut SqliteConnection) -> Transaction<'_, Sqlite> {
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
    let place = Place::new();
    let _storage = place.open();
    let mut conn = connect(&place.path).await;
    let sql = "SELECT sqlite_version() || ' ' || sqlite_source_id()";
    let theirs: String = sqlx::query_scalar(sql).fetch_one(&mut conn).await.unwrap();
    let ours: String = place.plain().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(theirs, ours);
}

#[tokio::test]
async fn a_task_is_there_with_the_applications_data_or_not_at_all() {
    let place = Place::new();
    let storage = without_polls(&place.path);
    let plain = place.plain();
    plain.execute_batch(BOOK).unwrap();
    let mut conn = connect(&place.path).await;

    let mut tx = immediate(&mut conn).await;
    write_entry(&mut tx).await;
    let gone = storage.enqueue_in_sqlx(&mut tx, call("a")).await.unwrap();
    within(tx.rollback()).await.unwrap();
    assert_eq!(get(&storage, gone).await, None);
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

    // As the queue itself would have written them.
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
async fn a_completion_is_written_with_the_applications_data_or_not_at_all() {
    let place = Place::new();
    let storage = place.open();
    let plain = place.plain();
    plain.execute_batch(BOOK).unwrap();
    let mut conn = connect(&place.path).await;
    let id = enqueue(&storage, task("a", 1)).await.unwrap();
    let execution = Execution(claimed(&storage, "a").await, vec![task("then", 2)]);

    let mut tx = immediate(&mut conn).await;
    write_entry(&mut tx).await;
    storage
        .complete_in_sqlx(&mut tx, &execution, "gone")
        .await
        .unwrap();
    drop(tx);
    assert_eq!(number(&mut conn, "SELECT count(*) FROM book").await, 0);
    assert_eq!(get(&storage, id).await.unwrap(), execution.0);

    let mut tx = immediate(&mut conn).await;
    write_entry(&mut tx).await;
    storage
        .complete_in_sqlx(&mut tx, &execution, "kept")
        .await
        .unwrap();
    let again = storage.complete_in_sqlx(&mut tx, &execution, "twice").await;
    assert!(again.unwrap_err().to_string().contains("already"));
    within(tx.commit()).await.unwrap();
    let done = get(&storage, id).await.unwrap();
    assert_eq!((done.status, done.owner), (TaskStatus::Success, None));
    assert_eq!(done.result.unwrap().bytes, b"\"kept\"");
    assert_eq!(count(&plain, "book"), 1);
    assert_eq!(
        claimed(&storage, "then").await.payload,
        task("then", 2).payload
    );
}

#[tokio::test]
async fn a_lost_lease_completes_nothing() {
    let place = Place::new();
    let storage = place.open();
    let mut conn = connect(&place.path).await;
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
async fn what_fails_half_way_is_undone_though_the_application_commits() {
    let place = Place::new();
    let storage = place.open();
    let id = enqueue(&storage, task("a", 1)).await.unwrap();
    let execution = Execution(claimed(&storage, "a").await, vec![task("then", 2)]);
    let plain = place.plain();
    plain
        .execute("UPDATE omniq_high_water SET id = ?1", [i64::MAX])
        .unwrap();
    let mut conn = connect(&place.path).await;
    let mut tx = immediate(&mut conn).await;
    let failed = storage.complete_in_sqlx(&mut tx, &execution, &1).await;
    failed.unwrap_err();
    within(tx.commit()).await.unwrap();
    assert_eq!(get(&storage, id).await.unwrap().status, TaskStatus::Running);
}

/// It can't be told from an immediate one; but what it can't do is said, and changes nothing.
#[tokio::test]
async fn a_deferred_transaction_that_is_too_late_for_the_lock_is_refused() {
    let place = Place::new();
    let storage = place.open();
    let mut conn = connect(&place.path).await;
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

    // In time, it gets the lock, and the writer waits for it.
    let mut tx = within(conn.begin()).await.unwrap();
    let second = storage.enqueue_in_sqlx(&mut tx, call("b")).await.unwrap();
    assert!(second > id);
    within(tx.commit()).await.unwrap();
    let third = enqueue(&storage, task("a", 1)).await.unwrap();
    assert!(third > second);
}

#[tokio::test]
async fn another_database_is_refused() {
    let (place, other) = (Place::new(), Place::new());
    let (storage, _other) = (place.open(), other.open());
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
async fn ids_rise_in_the_order_of_commits_whoever_gives_them() {
    rise_beside(|storage, path, number| tokio::spawn(by_hand(storage, path, number))).await;
}

/// Every third transaction is rolled back.
async fn by_hand(storage: Arc<SqliteStorage>, path: PathBuf, number: u64) -> Vec<TaskId> {
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
