//! Tests two storages on one file, as two processes have them, and a client that only uses SQL.

use std::sync::Arc;

use omniq_core::storage::{ClaimFilter, ClaimRequest};
use omniq_core::{Storage, Timestamp};
use omniq_sqlite::SqliteStorage;
use tokio::task::JoinSet;

use crate::common::{LEASE, NOW, TestDatabase, claim_of, enqueue, owner, start, task, within};

#[tokio::test]
async fn an_enqueue_on_one_wakes_a_claim_that_is_parked_on_the_other() {
    let db = TestDatabase::new();
    let (one, other) = (db.open(), db.open());
    for round in 1..=3 {
        let mut parked = other.claim(claim_of("a").park(None));
        start(&mut parked);
        // An answer shows that the claim before it was parked.
        enqueue(&other, task("else", round)).await.unwrap();
        start(&mut parked);
        let id = enqueue(&one, task("a", round)).await.unwrap();
        let answer = within(parked).await.unwrap();
        assert!(answer.next_due.is_some_and(|due| due <= NOW), "{answer:?}");
        let claimed = within(other.claim(claim_of("a"))).await.unwrap();
        assert_eq!(claimed.tasks[0].id, id);
    }
}

#[tokio::test]
async fn lanes_that_one_adds_are_seen_by_the_other() {
    let db = TestDatabase::new();
    let (one, other) = (db.open(), db.open());
    let filter = Arc::new(ClaimFilter::any());
    for round in 0..5 {
        let (here, there) = if round % 2 == 0 {
            (&one, &other)
        } else {
            (&other, &one)
        };
        let name = format!("name{round}");
        let id = enqueue(here, task(&name, round)).await.unwrap();
        let found = within(there.get(vec![id])).await.unwrap();
        assert_eq!(found[0].as_ref().unwrap().name, name);
        let stats = within(there.stats(NOW)).await.unwrap();
        assert_eq!(stats.len() as u64, round + 1);
        let request = ClaimRequest::new(owner(1), filter.clone(), NOW, LEASE);
        let claimed = within(there.claim(request)).await.unwrap();
        assert_eq!(claimed.tasks[0].name, name);
        // The other handle does not create the same lane again.
        enqueue(there, task(&name, 99)).await.unwrap();
        let request = ClaimRequest::new(owner(1), filter.clone(), NOW, LEASE);
        assert_eq!(within(here.claim(request)).await.unwrap().tasks.len(), 1);
    }
    let sql = "SELECT count(*) FROM omniq_lane";
    let lanes: u32 = db.plain().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(lanes, 5);
}

async fn enqueue_many(storage: Arc<SqliteStorage>, from: u64) -> Vec<i64> {
    let mut ids = Vec::new();
    for number in from..from + 100 {
        let name = format!("name{}", number % 7);
        let id = enqueue(&storage, task(&name, number)).await.unwrap();
        ids.push(id.as_i64());
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_of_both_rise_and_never_collide() {
    let db = TestDatabase::new();
    let storages = [Arc::new(db.open()), Arc::new(db.open())];
    let mut producers = JoinSet::new();
    for number in 0..6 {
        let storage = storages[number as usize % 2].clone();
        producers.spawn(enqueue_many(storage, number * 1_000));
    }
    let mut all = Vec::new();
    for ids in producers.join_all().await {
        assert!(ids.is_sorted_by(|a, b| a < b), "ids of one producer rise");
        all.extend(ids);
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 600);
    let sql = "SELECT (SELECT max(id) FROM omniq_task) - (SELECT id FROM omniq_high_water)";
    let above: i64 = db.plain().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(above, 0);
}

/// The minimum that a client has to insert; all other columns have a default.
const PLAIN_INSERT: &str = "
    INSERT OR IGNORE INTO omniq_lane (queue, name, format) VALUES ('default', 'a', 0);
    INSERT INTO omniq_task (lane, eta, payload, enqueued_at)
        SELECT id, 0, CAST('{\"args\":[5]}' AS BLOB), 0 FROM omniq_lane
        WHERE queue = 'default' AND name = 'a' AND format = 0";

#[tokio::test]
async fn a_task_inserted_by_plain_sql_is_found() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut parked = storage.claim(claim_of("a").park(None));
    start(&mut parked);
    enqueue(&storage, task("else", 1)).await.unwrap();
    start(&mut parked);
    let conn = db.plain();
    conn.execute_batch(&format!("BEGIN IMMEDIATE; {PLAIN_INSERT}; COMMIT"))
        .unwrap();
    let answer = within(parked).await.unwrap();
    assert!(answer.next_due.is_some_and(|due| due <= NOW), "{answer:?}");
    let claimed = within(storage.claim(claim_of("a"))).await.unwrap();
    let inserted = &claimed.tasks[0];
    assert_eq!(inserted.id.as_i64(), conn.last_insert_rowid());
    assert_eq!(inserted.payload.bytes, task("a", 5).payload.bytes);
    assert_eq!(inserted.max_attempts, task("a", 5).max_attempts);
    assert_eq!(inserted.enqueued_at, Timestamp(0));
    let next = enqueue(&storage, task("a", 6)).await.unwrap();
    assert!(next > inserted.id, "its id is not assigned again");
}

#[tokio::test]
async fn a_lease_is_void_on_both_once_it_is_settled_on_one() {
    let db = TestDatabase::new();
    let (one, other) = (db.open(), db.open());
    enqueue(&one, task("a", 1)).await.unwrap();
    let claimed = within(one.claim(claim_of("a"))).await.unwrap();
    let lease = claimed.tasks[0].lease();
    let held = within(other.held(vec![lease])).await.unwrap();
    assert_eq!(held, [omniq_core::storage::Hold::Held]);
    let change = crate::common::success(&claimed.tasks[0]);
    within(other.settle(vec![change], NOW)).await.unwrap();
    let renewed = within(one.renew(vec![lease], LEASE)).await.unwrap();
    assert_eq!(renewed, [omniq_core::storage::Hold::Lost]);
}

fn write_lock(db: &TestDatabase) -> std::fs::File {
    std::fs::File::open(db.folder.path().join("jobs.db-omniq/turn")).unwrap()
}

#[tokio::test]
async fn the_writer_has_the_write_lock_until_it_has_committed() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let write_lock = write_lock(&db);
    let gate = db.disk.close_gate();
    let mut writes = storage.enqueue(vec![task("a", 2)], NOW);
    start(&mut writes);
    db.disk.wait_until_blocked();
    assert!(write_lock.try_lock().is_err());
    drop(gate);
    within(writes).await.unwrap();
    write_lock.try_lock().unwrap();
}

/// A process may have been stopped with the write lock of OmniQ, but without SQLite's lock.
#[tokio::test]
async fn a_process_that_keeps_the_write_lock_does_not_stop_others() {
    let db = TestDatabase::new();
    let storage = db.open();
    let write_lock = write_lock(&db);
    write_lock.lock().unwrap();
    for number in 1..=50 {
        enqueue(&storage, task("a", number)).await.unwrap();
    }
    write_lock.unlock().unwrap();
    enqueue(&storage, task("a", 51)).await.unwrap();
}
