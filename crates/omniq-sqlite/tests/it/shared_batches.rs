//! Commands that share a batch: one that fails does not cost the others theirs, and none is forgotten.

use omniq_core::storage::{Signal, TaskFilter};
use omniq_core::{Due, NewTask, Storage, TaskId, TaskStatus};
use omniq_sqlite::SqliteStorage;
use tokio_stream::StreamExt as _;

use crate::common::{LEASE, NOW, Place, claim_of, enqueue, numbers, owner, start, task, within};

/// A task that can't be claimed: a trigger of the application's own refuses it.
async fn forbid(place: &Place, storage: &SqliteStorage, task: NewTask) {
    let id = enqueue(storage, task).await.unwrap().as_i64();
    let sql = format!(
        "CREATE TRIGGER stubborn BEFORE UPDATE OF status ON omniq_task WHEN old.id = {id}
         BEGIN SELECT raise(ABORT, 'not this one'); END"
    );
    place.plain().execute_batch(&sql).unwrap();
}

/// A task that nobody can read.
async fn damage(place: &Place, storage: &SqliteStorage, task: NewTask) -> TaskId {
    let id = enqueue(storage, task).await.unwrap();
    let sql = "UPDATE omniq_task SET headers = '{broken' WHERE id = ?1";
    place.plain().execute(sql, [id.as_i64()]).unwrap();
    id
}

#[tokio::test]
async fn a_damaged_task_fails_and_does_not_stand_in_the_way_of_others() {
    let place = Place::new();
    let storage = place.open();
    let bad = damage(&place, &storage, task("a", 1)).await;
    let good = enqueue(&storage, task("a", 2)).await.unwrap();
    let mut watch = storage.watch();
    let claimed = within(storage.claim(claim_of("a").park(None)))
        .await
        .unwrap();
    assert_eq!(
        claimed.tasks.len(),
        1,
        "a parked claim does not sleep on work"
    );
    assert_eq!(claimed.tasks[0].id, good);
    while within(watch.next()).await.unwrap() != Signal::Finished([bad].into()) {}

    let listed = within(storage.list_tasks(TaskFilter::new())).await.unwrap();
    assert_eq!(listed.len(), 1, "the others are still listed");
    let error = within(storage.get(vec![bad])).await.unwrap_err();
    assert!(error.to_string().contains("headers"), "{error}");
    let sql =
        "SELECT status, owner IS NULL, e.error FROM omniq_task JOIN omniq_error e ON task = id";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (status, free, error): (u8, bool, String) = place.plain().query_row(sql, [], row).unwrap();
    assert_eq!((status, free), (TaskStatus::Failed.code(), true));
    assert!(
        error.contains("headers") && error.contains("payload"),
        "{error}"
    );
}

#[tokio::test]
async fn whatever_the_damage_the_others_go_on() {
    let damages = [
        "priority = 3000000000",
        "max_attempts = -1",
        "attempts = 4294967295",
        "crashes = -1",
        "timeout = NULL, backoff = '7'",
        "unique_name = 'a', unique_key = CAST(x'ff' AS TEXT)",
        "holds = 0, headers = '[]'",
    ];
    for damage in damages {
        let place = Place::new();
        let storage = place.open();
        let bad = enqueue(&storage, task("a", 1)).await.unwrap();
        let good = enqueue(&storage, task("a", 2)).await.unwrap();
        let sql = format!("UPDATE omniq_task SET {damage} WHERE id = ?1");
        place.plain().execute(&sql, [bad.as_i64()]).unwrap();
        let claimed = within(storage.claim(claim_of("a").limit(9))).await.unwrap();
        let ids: Vec<_> = claimed.tasks.iter().map(|task| task.id).collect();
        assert_eq!(ids, [good], "{damage}");
        let listed = within(storage.list_tasks(TaskFilter::new())).await.unwrap();
        assert_eq!(listed.len(), 1, "{damage}");

        // Damaged while it runs, it does not keep others from being taken over.
        let sql = "UPDATE omniq_task SET status = 1, owner = 9, lease = 5 WHERE id = ?1";
        place.plain().execute(sql, [bad.as_i64()]).unwrap();
        within(storage.orphans(LEASE, 9)).await.unwrap();
        let over = within(storage.orphans(LEASE * 3, 9)).await.unwrap();
        assert_eq!(over.len(), 1, "{damage}");
    }
}

#[tokio::test]
async fn a_lane_of_an_unknown_format_is_left_alone() {
    let place = Place::new();
    let storage = place.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let sql = "INSERT INTO omniq_lane (queue, name, format) VALUES ('default', 'a', 9);
               INSERT INTO omniq_lane (queue, name, format) VALUES ('default', 'a', 300);
               INSERT INTO omniq_task (id, lane, eta, payload, enqueued_at)
               VALUES (1, (SELECT max(id) FROM omniq_lane), 0, x'00', 0);";
    place.plain().execute_batch(sql).unwrap();
    let claimed = within(storage.claim(claim_of("a").limit(9))).await.unwrap();
    assert_eq!(claimed.tasks.len(), 1);
    enqueue(&storage, task("b", 2)).await.unwrap();
    assert_eq!(
        within(storage.list_tasks(TaskFilter::new()))
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(within(storage.stats(NOW)).await.unwrap().len(), 2);
    let sql = "SELECT status, attempts FROM omniq_task WHERE id = 1";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let untouched: (u8, u32) = place.plain().query_row(sql, [], row).unwrap();
    assert_eq!(untouched, (0, 0));
}

#[tokio::test]
async fn a_bad_command_costs_its_neighbours_nothing() {
    let place = Place::new();
    let storage = place.open();
    forbid(&place, &storage, task("bad", 1)).await;
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
    let text = refused.chain().to_string();
    assert!(text.contains("not this one"), "{text}");
    assert!(!refused.is_unknown() && !refused.is_retryable());
    assert_eq!(within(good_claim).await.unwrap().tasks.len(), 1);
    within(first).await.unwrap();
    for answer in enqueued {
        within(answer).await.unwrap();
    }
    assert_eq!(numbers(&place.plain()), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let sql = "SELECT status, attempts, lease FROM omniq_task ORDER BY id LIMIT 1";
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
    forbid(&place, &storage, waiting).await;
    let mut bad_claim = storage.claim(claim_of("bad").park(Some(soon)));
    let mut good_claim = storage.claim(claim_of("good").park(None));
    start(&mut bad_claim);
    start(&mut good_claim);

    // The later time of this write makes the forbidden task due in the same batch.
    let mut enqueued = storage.enqueue(vec![task("good", 2)], later);
    start(&mut enqueued);
    let refused = within(bad_claim).await.unwrap_err();
    let text = refused.chain().to_string();
    assert!(text.contains("not this one"), "{text}");
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
