//! Commands that share a batch: one that fails does not cost the others theirs, and none is forgotten.

use omniq_core::{Due, NewTask, Storage};
use omniq_sqlite::SqliteStorage;

use crate::common::{LEASE, NOW, Place, claim_of, enqueue, numbers, owner, start, task, within};

/// A task that nobody can read, put in by hand.
async fn damage(place: &Place, storage: &SqliteStorage, task: NewTask) {
    let id = enqueue(storage, task).await.unwrap();
    let sql = "UPDATE omniq_task SET headers = '{broken' WHERE id = ?1";
    place.plain().execute(sql, [id.as_i64()]).unwrap();
}

#[tokio::test]
async fn a_bad_command_costs_its_neighbours_nothing() {
    let place = Place::new();
    let storage = place.open();
    damage(&place, &storage, task("bad", 1)).await;
    enqueue(&storage, task("good", 2)).await.unwrap();
    let gate = place.disk.close_gate();
    let mut first = storage.enqueue(vec![task("other", 3)], NOW);
    start(&mut first);
    place.disk.wait_until_blocked();

    // Whatever is sent now shares the next batch.
    let mut good_claim = storage.claim(claim_of("good"));
    let mut bad_claim = storage.claim(claim_of("bad"));
    let mut enqueued: Vec<_> = (4..10)
        .map(|n| storage.enqueue(vec![task("other", n)], NOW))
        .collect();
    start(&mut good_claim);
    start(&mut bad_claim);
    enqueued.iter_mut().for_each(start);
    drop(gate);

    let refused = within(bad_claim).await.unwrap_err();
    assert!(refused.to_string().contains("headers"), "{refused}");
    assert!(!refused.is_unknown() && !refused.is_retryable());
    assert_eq!(within(good_claim).await.unwrap().tasks.len(), 1);
    within(first).await.unwrap();
    for answer in enqueued {
        within(answer).await.unwrap();
    }
    assert_eq!(numbers(&place.plain()), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let sql = "SELECT status, attempts, lease FROM omniq_task WHERE headers IS NOT NULL";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let untouched: (i64, i64, i64) = place.plain().query_row(sql, [], row).unwrap();
    assert_eq!(untouched, (0, 0, 0));
}

#[tokio::test]
async fn a_parked_claim_that_fails_costs_its_neighbours_nothing() {
    let place = Place::new();
    let storage = place.open();
    let (soon, later) = (NOW.after(LEASE), NOW.after(LEASE * 2));
    let mut waiting = task("bad", 1);
    waiting.eta = Due::At(soon);
    damage(&place, &storage, waiting).await;
    let mut bad_claim = storage.claim(claim_of("bad").park(Some(soon)));
    let mut good_claim = storage.claim(claim_of("good").park(None));
    start(&mut bad_claim);
    start(&mut good_claim);

    // The later time of this write makes the damaged task due in the same batch.
    let mut enqueued = storage.enqueue(vec![task("good", 2)], later);
    start(&mut enqueued);
    let refused = within(bad_claim).await.unwrap_err();
    assert!(refused.to_string().contains("headers"), "{refused}");
    assert_eq!(within(enqueued).await.unwrap().len(), 1);
    assert_eq!(within(good_claim).await.unwrap().tasks.len(), 1);
    assert_eq!(numbers(&place.plain()), [1, 2]);
}

/// Claims go before enqueues, so that a claim of this batch has looked when the task comes.
#[tokio::test]
async fn a_claim_that_parks_in_the_batch_of_an_enqueue_gets_its_task() {
    let place = Place::new();
    let storage = place.open();
    let gate = place.disk.close_gate();
    let mut first = storage.enqueue(vec![task("other", 1)], NOW);
    start(&mut first);
    place.disk.wait_until_blocked();
    let mut caught = storage.claim(claim_of("a").park(None));
    let mut enqueued = storage.enqueue(vec![task("a", 2)], NOW);
    start(&mut caught);
    start(&mut enqueued);
    drop(gate);
    within(enqueued).await.unwrap();
    let caught = within(caught).await.unwrap();
    assert_eq!(caught.tasks.len(), 1);
    assert_eq!(caught.tasks[0].lease, 1);
}

#[tokio::test]
async fn a_dropped_claim_leaves_its_task_to_the_next() {
    let place = Place::new();
    let storage = place.open();
    let mut parked = storage.claim(claim_of("a").park(None));
    start(&mut parked);
    // An answer shows that the writer has parked what was sent before.
    enqueue(&storage, task("other", 1)).await.unwrap();
    drop(parked);
    enqueue(&storage, task("a", 2)).await.unwrap();
    let caught = within(storage.claim(claim_of("a"))).await.unwrap();
    assert_eq!(
        (caught.tasks[0].attempts, caught.tasks[0].lease),
        (1, 1),
        "the dropped one claimed"
    );
}

#[tokio::test]
async fn a_claim_that_is_dropped_while_its_answer_is_under_way_is_refunded() {
    let place = Place::new();
    let storage = place.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let gate = place.disk.close_gate();
    let mut caught = storage.claim(claim_of("a"));
    start(&mut caught);
    place.disk.wait_until_blocked();
    drop(caught);
    let mut second = claim_of("a").park(None);
    second.owner = owner(2);
    let mut second = storage.claim(second);
    start(&mut second);
    drop(gate);
    let caught = within(second).await.unwrap().tasks;
    assert_eq!(caught[0].owner, Some(owner(2)));
    assert_eq!(
        (caught[0].attempts, caught[0].lease),
        (1, 2),
        "the lease never goes back"
    );
}

#[tokio::test]
async fn an_answered_claim_that_nobody_reads_is_refunded() {
    let place = Place::new();
    let storage = place.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let mut caught = storage.claim(claim_of("a"));
    start(&mut caught);
    // An answer that comes after the claim's: it lies ready, and is dropped unread.
    enqueue(&storage, task("other", 2)).await.unwrap();
    drop(caught);
    let again = within(storage.claim(claim_of("a").park(None)))
        .await
        .unwrap();
    assert_eq!((again.tasks[0].attempts, again.tasks[0].lease), (1, 2));
}

#[test]
fn a_claim_that_is_dropped_with_the_storage_is_refunded() {
    let place = Place::new();
    let storage = place.open();
    let mut enqueued = storage.enqueue(vec![task("a", 1)], NOW);
    let gate = place.disk.close_gate();
    start(&mut enqueued);
    place.disk.wait_until_blocked();
    let mut caught = storage.claim(claim_of("a"));
    start(&mut caught);
    place.disk.pass_one();
    place.disk.wait_until_blocked();
    drop((caught, enqueued));
    let opened = place.disk.closes();
    let ending = std::thread::spawn(move || drop(storage));
    place.disk.wait_until_closed(opened + 2);
    drop(gate);
    ending.join().unwrap();
    let sql = "SELECT status, attempts, owner FROM omniq_task";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let left: (i64, i64, Option<i64>) = place.plain().query_row(sql, [], row).unwrap();
    assert_eq!(left, (0, 0, None));
}
