//! Tests many lanes: what is remembered of them between claims is what reading all of them would find.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::settle::settle;
use omniq_core::storage::{ClaimFilter, ClaimRequest};
use omniq_core::{Due, NewTask, Outcome, Storage, Task, TaskId, Timestamp};
use omniq_sqlite::SqliteStorage;

use crate::common::{LEASE, NOW, TestDatabase, enqueue, owner, seed, start, task, within};

/// More lanes than the storage reads again after each write of another connection.
const LANES: u64 = 150;

fn in_lane(lane: u64, priority: i32, eta: Timestamp) -> NewTask {
    let mut task = task(&format!("name{lane}"), lane);
    task.priority = priority;
    task.eta = Due::At(eta);
    task
}

fn any(limit: usize, now: Timestamp, filter: &Arc<ClaimFilter>) -> ClaimRequest {
    ClaimRequest::new(owner(1), filter.clone(), now, LEASE).limit(limit)
}

async fn claim(storage: &SqliteStorage, request: ClaimRequest) -> Vec<Task> {
    within(storage.claim(request)).await.unwrap().tasks
}

async fn release(storage: &SqliteStorage, task: &Task) {
    let change = settle(task, Outcome::Released, NOW, 0.0).unwrap();
    within(storage.settle(vec![change], NOW)).await.unwrap();
}

/// Two handles enqueue, claim and release alternately; each claim must find the first tasks of all lanes. The time
/// advances by a second before each claim, so that all lanes may be read again.
#[tokio::test]
async fn a_claim_finds_the_first_tasks_of_all_lanes_after_writes_of_any_handle() {
    let seed = seed();
    let mut rng = fastrand::Rng::with_seed(seed);
    let db = TestDatabase::new();
    let handles = [db.open(), db.open()];
    let filter = Arc::new(ClaimFilter::any());
    let mut waiting: BTreeMap<(i32, Timestamp, TaskId), ()> = BTreeMap::new();
    let mut now = NOW;
    for _ in 0..300 {
        let storage = &handles[rng.usize(..2)];
        let new_tasks: Vec<_> = (0..rng.usize(1..12))
            .map(|_| {
                let eta = now.before(Duration::from_millis(rng.u64(0..50)));
                in_lane(rng.u64(..LANES), rng.i32(-2..3), eta)
            })
            .collect();
        let ids = within(storage.enqueue(new_tasks.clone(), now))
            .await
            .unwrap();
        for (task, id) in new_tasks.iter().zip(ids) {
            waiting.insert((-task.priority, task.eta.resolve(now), id.id()), ());
        }
        now = now.after(Duration::from_secs(1));
        let storage = &handles[rng.usize(..2)];
        let claimed = claim(storage, any(rng.usize(1..15), now, &filter)).await;
        for task in &claimed {
            let expected = waiting.pop_first().unwrap().0;
            assert_eq!((-task.priority, task.eta, task.id), expected);
        }
        for task in claimed.iter().filter(|_| rng.u8(..4) == 0) {
            release(storage, task).await;
            waiting.insert((-task.priority, task.eta, task.id), ());
        }
    }
    assert_eq!(
        claim(&handles[0], any(10_000, now, &filter)).await.len(),
        waiting.len()
    );
}

#[tokio::test]
async fn new_tasks_of_another_process_are_found_immediately_in_known_lanes() {
    let db = TestDatabase::new();
    let (one, other) = (db.open(), db.open());
    let filter = Arc::new(ClaimFilter::any());
    let all = (0..LANES).map(|lane| in_lane(lane, 0, NOW)).collect();
    within(one.enqueue(all, NOW)).await.unwrap();
    assert_eq!(
        claim(&other, any(1_000, NOW, &filter)).await.len(),
        LANES as usize
    );
    for lane in [0, 77, LANES - 1] {
        let new = in_lane(lane, 5, NOW);
        let id = within(one.enqueue(vec![new], NOW)).await.unwrap()[0].id();
        assert_eq!(claim(&other, any(1, NOW, &filter)).await[0].id, id);
    }
}

/// A task that another process releases wakes a parked claim, however old the claim's own time is, and is found by
/// a later claim at the same time.
#[tokio::test]
async fn tasks_that_another_process_releases_are_found() {
    let db = TestDatabase::new();
    let (one, other) = (db.open(), db.open());
    let names = (0..LANES).map(|lane| format!("name{lane}"));
    let filter = Arc::new(ClaimFilter::any().names(names));
    let all = (0..LANES).map(|lane| in_lane(lane, 0, NOW)).collect();
    within(one.enqueue(all, NOW)).await.unwrap();
    let claimed = claim(&one, any(1_000, NOW, &filter)).await;
    assert_eq!(claimed.len(), LANES as usize);
    assert!(claim(&other, any(1, NOW, &filter)).await.is_empty());

    release(&one, &claimed[0]).await;
    assert_eq!(
        claim(&other, any(1, NOW, &filter)).await[0].id,
        claimed[0].id
    );

    let mut parked = other.claim(any(1, NOW, &filter).park(None));
    start(&mut parked);
    // An answer shows that the claim before it was parked.
    enqueue(&other, task("else", 1)).await.unwrap();
    start(&mut parked);
    release(&one, &claimed[77]).await;
    let answer = within(parked).await.unwrap();
    assert!(answer.next_due.is_some_and(|due| due <= NOW), "{answer:?}");
    assert_eq!(
        claim(&other, any(1, NOW, &filter)).await[0].id,
        claimed[77].id
    );
}

#[tokio::test]
async fn due_tasks_are_found_in_every_lane() {
    let db = TestDatabase::new();
    let storage = db.open();
    let filter = Arc::new(ClaimFilter::any());
    let later = |lane| NOW.after(Duration::from_secs(lane + 1));
    let all = (0..LANES)
        .map(|lane| in_lane(lane, 0, later(lane)))
        .collect();
    within(storage.enqueue(all, NOW)).await.unwrap();
    let early = within(storage.claim(any(10, NOW, &filter))).await.unwrap();
    assert_eq!((early.tasks.len(), early.next_due), (0, Some(later(0))));
    let now = later(LANES / 2);
    let due = within(storage.claim(any(1_000, now, &filter)))
        .await
        .unwrap();
    assert_eq!(due.tasks.len() as u64, LANES / 2 + 1);
    assert_eq!(due.next_due, Some(later(LANES / 2 + 1)));
    assert!(due.tasks.is_sorted_by_key(|task| task.eta));
}
