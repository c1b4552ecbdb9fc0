//! Many lanes: what is remembered of them between claims is what a look at all of them would find.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::settle::settle;
use omniq_core::storage::{ClaimFilter, ClaimRequest};
use omniq_core::{Due, NewTask, Outcome, Storage, Task, TaskId, Timestamp};
use omniq_sqlite::SqliteStorage;

use crate::common::{LEASE, NOW, Place, enqueue, owner, seed, start, task, within};

/// More than the storage looks at again and again.
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

/// Two handles enqueue, claim and give back in turn; each claim must find the first tasks of all lanes. Time goes
/// on by a second for each claim of another handle than the last, so that all lanes may be looked at again.
#[tokio::test]
async fn a_claim_finds_the_first_of_all_lanes_whoever_wrote_last() {
    let seed = seed();
    let mut dice = fastrand::Rng::with_seed(seed);
    let place = Place::new();
    let handles = [place.open(), place.open()];
    let filter = Arc::new(ClaimFilter::any());
    let mut waiting: BTreeMap<(i32, Timestamp, TaskId), ()> = BTreeMap::new();
    let mut now = NOW;
    for _ in 0..300 {
        let storage = &handles[dice.usize(..2)];
        let some: Vec<_> = (0..dice.usize(1..12))
            .map(|_| {
                let eta = now.before(Duration::from_millis(dice.u64(0..50)));
                in_lane(dice.u64(..LANES), dice.i32(-2..3), eta)
            })
            .collect();
        let ids = within(storage.enqueue(some.clone(), now)).await.unwrap();
        for (task, id) in some.iter().zip(ids) {
            waiting.insert((-task.priority, task.eta.resolve(now), id.id()), ());
        }
        now = now.after(Duration::from_secs(1));
        let storage = &handles[dice.usize(..2)];
        let claimed = claim(storage, any(dice.usize(1..15), now, &filter)).await;
        for task in &claimed {
            let expected = waiting.pop_first().unwrap().0;
            assert_eq!((-task.priority, task.eta, task.id), expected);
        }
        for task in claimed.iter().filter(|_| dice.u8(..4) == 0) {
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
async fn new_tasks_of_another_process_are_found_at_once_in_old_lanes() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
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

/// Whoever sleeps was told of all there was: what another process gives back wakes a parked claim, however old its
/// own time is, and is found by one that comes later at the same time.
#[tokio::test]
async fn what_another_process_gives_back_is_not_missed() {
    let place = Place::new();
    let (one, other) = (place.open(), place.open());
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
    let news = within(parked).await.unwrap();
    assert!(news.next_due.is_some_and(|due| due <= NOW), "{news:?}");
    assert_eq!(
        claim(&other, any(1, NOW, &filter)).await[0].id,
        claimed[77].id
    );
}

#[tokio::test]
async fn what_has_come_due_is_found_in_every_lane() {
    let place = Place::new();
    let storage = place.open();
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
