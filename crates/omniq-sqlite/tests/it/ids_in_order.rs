//! Tests that ids rise in the order of commits, whether the queue assigns them or a transaction of the application.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use omniq_core::{TaskId, call};
use omniq_sqlite::SqliteStorage;
use rusqlite::Connection;
use tokio::task::JoinHandle;

use crate::common::{TestDatabase, enqueue, task};
use crate::in_transaction::{BUSY_TIMEOUT, immediate};

/// Records each task in the order of the commits, since one transaction writes at a time. The ids do not depend on
/// the clock here: the next id is always one more than the last.
fn record_ids(conn: &Connection) {
    conn.execute_batch(
        "CREATE TABLE seen (number INTEGER PRIMARY KEY, id INTEGER);
        CREATE TRIGGER record AFTER INSERT ON omniq_task BEGIN INSERT INTO seen (id) VALUES (NEW.id); END;
        UPDATE omniq_high_water SET id = 1 << 62",
    )
    .unwrap();
}

/// Checks that each of these ids was assigned once, and in the order of the commits.
fn check_ids(conn: &Connection, mut assigned: Vec<TaskId>) {
    let mut statement = conn.prepare("SELECT id FROM seen ORDER BY number").unwrap();
    let seen = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    let seen: Vec<_> = seen
        .map(|id| TaskId::from_i64(id.unwrap()).unwrap())
        .collect();
    assert!(seen.is_sorted_by(|a, b| a < b));
    assigned.sort_unstable();
    assert_eq!(assigned, seen);
}

/// Assigns ids by the queue and by transactions at the same time, and checks them. `in_transactions` starts a task
/// that enqueues in transactions of its own.
pub(crate) async fn check_ids_beside_the_queue(
    in_transactions: impl Fn(Arc<SqliteStorage>, PathBuf, u64) -> JoinHandle<Vec<TaskId>>,
) {
    let db = TestDatabase::new();
    let storage = Arc::new(db.open());
    record_ids(&db.plain());
    let running = Arc::new(());
    let mut producers = Vec::new();
    for number in 0..2 {
        let producer = in_transactions(storage.clone(), db.path.clone(), number);
        let still_running = running.clone();
        producers.push(tokio::spawn(async move {
            let _still_running = still_running;
            producer.await.unwrap()
        }));
        let transactions = Arc::downgrade(&running);
        producers.push(tokio::spawn(by_queue(
            storage.clone(),
            number,
            transactions,
        )));
    }
    drop(running);
    let mut assigned = Vec::new();
    for producer in producers {
        assigned.extend(producer.await.unwrap());
    }
    check_ids(&db.plain(), assigned);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_of_the_queue_and_of_transactions_rise_in_the_order_of_commits() {
    check_ids_beside_the_queue(|storage, path, number| {
        tokio::task::spawn_blocking(move || by_transactions(&storage, &path, number))
    })
    .await;
}

#[tokio::test]
async fn ids_rise_when_the_queue_and_a_transaction_alternate() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut conn = db.plain();
    record_ids(&conn);
    let mut assigned = Vec::new();
    for round in 0..20 {
        assigned.push(enqueue(&storage, task("a", round)).await.unwrap());
        let tx = immediate(&mut conn);
        let id = storage.enqueue_in(&tx, call("a")).unwrap();
        match round % 3 {
            0 => tx.rollback().unwrap(),
            _ => {
                tx.commit().unwrap();
                assigned.push(id);
            }
        }
    }
    check_ids(&conn, assigned);
}

/// Enqueues through the queue, until all tasks that use transactions have ended.
async fn by_queue(storage: Arc<SqliteStorage>, number: u64, transactions: Weak<()>) -> Vec<TaskId> {
    let mut ids = Vec::new();
    while transactions.strong_count() > 0 {
        let new = task(&format!("name{}", (number + ids.len() as u64) % 7), number);
        ids.push(enqueue(&storage, new).await.unwrap());
    }
    ids
}

/// Enqueues in transactions, every third of which is rolled back.
fn by_transactions(storage: &SqliteStorage, path: &Path, number: u64) -> Vec<TaskId> {
    let mut conn = crate::common::plain(path);
    conn.busy_timeout(BUSY_TIMEOUT).unwrap();
    let mut ids = Vec::new();
    for round in 0..30 {
        let tx = immediate(&mut conn);
        let name = format!("name{}", (number + round) % 11);
        let id = storage.enqueue_in(&tx, call(name)).unwrap();
        if round % 3 == 0 {
            tx.rollback().unwrap();
        } else {
            tx.commit().unwrap();
            ids.push(id);
        }
    }
    ids
}
