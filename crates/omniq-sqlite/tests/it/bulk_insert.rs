//! Tests bulk inserts: tasks of several callers that one statement writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use omniq_core::Storage;
use rusqlite::ffi;
use tokio::task::JoinSet;

use crate::common::{NOW, TestDatabase, claim_of, enqueue, number, task, within};

/// The lane that the first tasks created is rolled back with them, and its number is assigned to another lane.
#[tokio::test]
async fn a_lane_that_was_rolled_back_is_created_again() {
    let db = TestDatabase::new();
    let (storage, other) = (db.open(), db.open());
    db.disk.fail_writes_after(0, ffi::SQLITE_FULL);
    within(storage.enqueue(vec![task("a", 1); 10], NOW))
        .await
        .unwrap_err();
    db.disk.heal();
    enqueue(&other, task("b", 1)).await.unwrap();
    within(storage.enqueue(vec![task("a", 1); 10], NOW))
        .await
        .unwrap();
    let request = claim_of("a").limit(20);
    let claimed = within(storage.claim(request)).await.unwrap();
    assert_eq!(claimed.tasks.len(), 10);
}

/// Each task has its own time and payload, although one statement writes the tasks of many callers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_many_callers_keep_their_times_and_payloads() {
    let db = TestDatabase::new();
    let storage = Arc::new(db.open());
    let mut callers = JoinSet::new();
    for caller in 0..64 {
        let storage = storage.clone();
        callers.spawn(async move {
            let mut mine = Vec::new();
            for n in 0..20 {
                let number = caller * 100 + n;
                let now = omniq_core::Timestamp(NOW.0 - number as i64);
                let new = task(if n % 7 == 0 { "b" } else { "a" }, number);
                let answer = within(storage.enqueue(vec![new], now)).await.unwrap();
                mine.push((answer[0].id(), now, number));
            }
            mine
        });
    }
    let mut seen = BTreeSet::new();
    while let Some(mine) = callers.join_next().await {
        for (id, now, expected) in mine.unwrap() {
            let found = within(storage.get(vec![id])).await.unwrap();
            let found = found[0].as_ref().unwrap();
            assert_eq!((found.enqueued_at, found.eta), (now, now));
            assert_eq!(number(&found.payload.bytes), expected);
            assert!(seen.insert(id));
        }
    }
    assert_eq!(seen.len(), 64 * 20);
}
