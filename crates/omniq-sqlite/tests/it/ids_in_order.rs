//! Ids rise in the order of commits, whoever gives them: the queue, or an application in its own transactions.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use omniq_core::{TaskId, call};
use omniq_sqlite::SqliteStorage;
use rusqlite::Connection;
use tokio::task::JoinHandle;

use crate::common::{Place, enqueue, task};
use crate::in_transaction::{PATIENCE, immediate};

/// Notes each task in the order of the commits, since one transaction writes at a time. The clock plays no
/// part: the next id is always one more than the last.
fn watch_ids(conn: &Connection) {
    conn.execute_batch(
        "CREATE TABLE seen (number INTEGER PRIMARY KEY, id INTEGER);
        CREATE TRIGGER see AFTER INSERT ON omniq_task BEGIN INSERT INTO seen (id) VALUES (NEW.id); END;
        UPDATE omniq_high_water SET id = 1 << 62",
    )
    .unwrap();
}

/// Each of these was given once, and in the order of the commits.
fn check_ids(conn: &Connection, mut given: Vec<TaskId>) {
    let mut statement = conn.prepare("SELECT id FROM seen ORDER BY number").unwrap();
    let seen = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    let seen: Vec<_> = seen
        .map(|id| TaskId::from_i64(id.unwrap()).unwrap())
        .collect();
    assert!(seen.is_sorted_by(|a, b| a < b));
    given.sort_unstable();
    assert_eq!(given, seen);
}

/// The queue, and these hands in transactions of their own, give ids at the same time.
pub(crate) async fn rise_beside(
    by_hand: impl Fn(Arc<SqliteStorage>, PathBuf, u64) -> JoinHandle<Vec<TaskId>>,
) {
    let place = Place::new();
    let storage = Arc::new(place.open());
    watch_ids(&place.plain());
    let hands = Arc::new(());
    let mut producers = Vec::new();
    for number in 0..2 {
        let (by_hand, hand) = (
            by_hand(storage.clone(), place.path.clone(), number),
            hands.clone(),
        );
        producers.push(tokio::spawn(async move {
            let _works = hand;
            by_hand.await.unwrap()
        }));
        let hands = Arc::downgrade(&hands);
        producers.push(tokio::spawn(by_queue(storage.clone(), number, hands)));
    }
    drop(hands);
    let mut given = Vec::new();
    for producer in producers {
        given.extend(producer.await.unwrap());
    }
    check_ids(&place.plain(), given);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_rise_in_the_order_of_commits_whoever_gives_them() {
    rise_beside(|storage, path, number| {
        tokio::task::spawn_blocking(move || by_hand(&storage, &path, number))
    })
    .await;
}

#[tokio::test]
async fn ids_rise_when_the_queue_and_a_transaction_take_turns() {
    let place = Place::new();
    let storage = place.open();
    let mut conn = place.plain();
    watch_ids(&conn);
    let mut given = Vec::new();
    for round in 0..20 {
        given.push(enqueue(&storage, task("a", round)).await.unwrap());
        let tx = immediate(&mut conn);
        let id = storage.enqueue_in(&tx, call("a")).unwrap();
        match round % 3 {
            0 => tx.rollback().unwrap(),
            _ => {
                tx.commit().unwrap();
                given.push(id);
            }
        }
    }
    check_ids(&conn, given);
}

/// Enqueues through the queue, as long as there are hands that do it in their own transactions.
async fn by_queue(storage: Arc<SqliteStorage>, number: u64, hands: Weak<()>) -> Vec<TaskId> {
    let mut ids = Vec::new();
    while hands.strong_count() > 0 {
        let new = task(&format!("name{}", (number + ids.len() as u64) % 7), number);
        ids.push(enqueue(&storage, new).await.unwrap());
    }
    ids
}

/// Every third transaction is rolled back.
fn by_hand(storage: &SqliteStorage, path: &Path, number: u64) -> Vec<TaskId> {
    let mut conn = crate::common::plain(path);
    conn.busy_timeout(PATIENCE).unwrap();
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
