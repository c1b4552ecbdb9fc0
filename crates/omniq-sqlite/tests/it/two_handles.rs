//! Two storages on one file, as two processes have them; and a client that only knows SQL.

use std::sync::Arc;

use omniq_core::storage::{ClaimFilter, ClaimRequest};
use omniq_core::{Storage, Timestamp};
use omniq_sqlite::SqliteStorage;
use tokio::task::JoinSet;

use crate::common::{LEASE, NOW, Place, claim_of, enqueue, owner, start, task, within};

#[tokio::test]
async fn an_enqueue_on_one_wakes_a_claim_that_is_parked_on_the_other() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    for round in 1..=3 {
        let mut parked = other.claim(claim_of("a").park(None));
        start(&mut parked);
        // An answer shows that the claim before it was parked.
        enqueue(&other, task("else", round)).await.unwrap();
        start(&mut parked);
        let id = enqueue(&one, task("a", round)).await.unwrap();
        let news = within(parked).await.unwrap();
        assert!(news.next_due.is_some_and(|due| due <= NOW), "{news:?}");
        let claimed = within(other.claim(claim_of("a"))).await.unwrap();
        assert_eq!(claimed.tasks[0].id, id);
    }
}

#[tokio::test]
async fn lanes_that_one_adds_are_seen_by_the_other() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
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
        // The same lane from the other side is no second one.
        enqueue(there, task(&name, 99)).await.unwrap();
        let request = ClaimRequest::new(owner(1), filter.clone(), NOW, LEASE);
        assert_eq!(within(here.claim(request)).await.unwrap().tasks.len(), 1);
    }
    let sql = "SELECT count(*) FROM omniq_lane";
    let lanes: u32 = place.plain().query_row(sql, [], |row| row.get(0)).unwrap();
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
    let place = Place::new();
    let storages = [Arc::new(place.open()), Arc::new(place.open())];
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
    let above: i64 = place.plain().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(above, 0);
}

/// The least that a plain client has to say; everything else has a default.
const BY_HAND: &str = "
    INSERT OR IGNORE INTO omniq_lane (queue, name, format) VALUES ('default', 'a', 0);
    INSERT INTO omniq_task (lane, eta, payload, enqueued_at)
        SELECT id, 0, CAST('{\"args\":[5]}' AS BLOB), 0 FROM omniq_lane
        WHERE queue = 'default' AND name = 'a' AND format = 0";

#[tokio::test]
async fn a_task_put_in_by_hand_is_found() {
    let place = Place::new();
    let storage = place.open();
    let mut parked = storage.claim(claim_of("a").park(None));
    start(&mut parked);
    enqueue(&storage, task("else", 1)).await.unwrap();
    start(&mut parked);
    let conn = place.plain();
    conn.execute_batch(&format!("BEGIN IMMEDIATE; {BY_HAND}; COMMIT"))
        .unwrap();
    let news = within(parked).await.unwrap();
    assert!(news.next_due.is_some_and(|due| due <= NOW), "{news:?}");
    let claimed = within(storage.claim(claim_of("a"))).await.unwrap();
    let by_hand = &claimed.tasks[0];
    assert_eq!(by_hand.id.as_i64(), conn.last_insert_rowid());
    assert_eq!(by_hand.payload.bytes, task("a", 5).payload.bytes);
    assert_eq!(by_hand.max_attempts, task("a", 5).max_attempts);
    assert_eq!(by_hand.enqueued_at, Timestamp(0));
    let next = enqueue(&storage, task("a", 6)).await.unwrap();
    assert!(next > by_hand.id, "its id is not given again");
}

#[tokio::test]
async fn a_lease_is_void_on_both_once_it_is_settled_on_one() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
    enqueue(&one, task("a", 1)).await.unwrap();
    let claimed = within(one.claim(claim_of("a"))).await.unwrap();
    let lease = claimed.tasks[0].lease();
    let held = within(other.held(vec![lease])).await.unwrap();
    assert_eq!(held, [omniq_core::storage::Hold::Held]);
    let change = crate::common::done(&claimed.tasks[0]);
    within(other.settle(vec![change], NOW)).await.unwrap();
    let renewed = within(one.renew(vec![lease], LEASE)).await.unwrap();
    assert_eq!(renewed, [omniq_core::storage::Hold::Lost]);
}

fn turn(place: &Place) -> std::fs::File {
    std::fs::File::open(place.folder.path().join("jobs.db-omniq/turn")).unwrap()
}

#[tokio::test]
async fn who_writes_has_the_turn_until_it_has_committed() {
    let place = Place::new();
    let storage = place.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let turn = turn(&place);
    let gate = place.disk.close_gate();
    let mut writes = storage.enqueue(vec![task("a", 2)], NOW);
    start(&mut writes);
    place.disk.wait_until_blocked();
    assert!(turn.try_lock().is_err());
    drop(gate);
    within(writes).await.unwrap();
    turn.try_lock().unwrap();
}

/// As a process does that was stopped with it, and does not hold SQLite's lock.
#[tokio::test]
async fn who_keeps_the_turn_does_not_stop_the_others() {
    let place = Place::new();
    let storage = place.open();
    let turn = turn(&place);
    turn.lock().unwrap();
    for number in 1..=50 {
        enqueue(&storage, task("a", number)).await.unwrap();
    }
    turn.unlock().unwrap();
    enqueue(&storage, task("a", 51)).await.unwrap();
}
