//! Tests commands that share a batch: a failing command does not affect the others, and none is forgotten.

use omniq_core::storage::{Signal, TaskFilter};
use omniq_core::{Due, NewTask, Storage, TaskId, TaskStatus};
use omniq_sqlite::SqliteStorage;
use tokio_stream::StreamExt as _;

use crate::common::{
    LEASE, NOW, TestDatabase, claim_of, enqueue, numbers, owner, start, task, within,
};

/// Enqueues a task that can't be claimed, because a trigger of the application refuses it.
async fn enqueue_unclaimable(db: &TestDatabase, storage: &SqliteStorage, task: NewTask) {
    let id = enqueue(storage, task).await.unwrap().as_i64();
    let sql = format!(
        "CREATE TRIGGER stubborn BEFORE UPDATE OF status ON omniq_task WHEN old.id = {id}
         BEGIN SELECT raise(ABORT, 'not this one'); END"
    );
    db.plain().execute_batch(&sql).unwrap();
}

/// Enqueues a task whose row can't be read.
async fn enqueue_unreadable(db: &TestDatabase, storage: &SqliteStorage, task: NewTask) -> TaskId {
    let id = enqueue(storage, task).await.unwrap();
    let sql = "UPDATE omniq_task SET headers = '{broken' WHERE id = ?1";
    db.plain().execute(sql, [id.as_i64()]).unwrap();
    id
}

#[tokio::test]
async fn a_damaged_task_fails_and_does_not_block_others() {
    let db = TestDatabase::new();
    let storage = db.open();
    let bad = enqueue_unreadable(&db, &storage, task("a", 1)).await;
    let good = enqueue(&storage, task("a", 2)).await.unwrap();
    let mut watch = storage.watch();
    let claimed = within(storage.claim(claim_of("a").park(None)))
        .await
        .unwrap();
    assert_eq!(
        claimed.tasks.len(),
        1,
        "a claim is not parked while there is work"
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
    let (status, free, error): (u8, bool, String) = db.plain().query_row(sql, [], row).unwrap();
    assert_eq!((status, free), (TaskStatus::Failed.code(), true));
    assert!(
        error.contains("headers") && error.contains("payload"),
        "{error}"
    );
}

#[tokio::test]
async fn no_kind_of_damage_blocks_other_tasks() {
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
        let db = TestDatabase::new();
        let storage = db.open();
        let bad = enqueue(&storage, task("a", 1)).await.unwrap();
        let good = enqueue(&storage, task("a", 2)).await.unwrap();
        let sql = format!("UPDATE omniq_task SET {damage} WHERE id = ?1");
        db.plain().execute(&sql, [bad.as_i64()]).unwrap();
        let claimed = within(storage.claim(claim_of("a").limit(9))).await.unwrap();
        let ids: Vec<_> = claimed.tasks.iter().map(|task| task.id).collect();
        assert_eq!(ids, [good], "{damage}");
        let listed = within(storage.list_tasks(TaskFilter::new())).await.unwrap();
        assert_eq!(listed.len(), 1, "{damage}");

        // A running task that is damaged does not prevent others from being taken over.
        let sql = "UPDATE omniq_task SET status = 1, owner = 9, lease = 5 WHERE id = ?1";
        db.plain().execute(sql, [bad.as_i64()]).unwrap();
        within(storage.orphans(LEASE, 9)).await.unwrap();
        let expired = within(storage.orphans(LEASE * 3, 9)).await.unwrap();
        assert_eq!(expired.len(), 1, "{damage}");
    }
}

#[tokio::test]
async fn a_lane_of_an_unknown_format_is_ignored() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let sql = "INSERT INTO omniq_lane (queue, name, format) VALUES ('default', 'a', 9);
               INSERT INTO omniq_lane (queue, name, format) VALUES ('default', 'a', 300);
               INSERT INTO omniq_task (id, lane, eta, payload, enqueued_at)
               VALUES (1, (SELECT max(id) FROM omniq_lane), 0, x'00', 0);";
    db.plain().execute_batch(sql).unwrap();
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
    let untouched: (u8, u32) = db.plain().query_row(sql, [], row).unwrap();
    assert_eq!(untouched, (0, 0));
}

#[tokio::test]
async fn a_failing_command_does_not_affect_the_rest_of_its_batch() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue_unclaimable(&db, &storage, task("bad", 1)).await;
    enqueue(&storage, task("good", 2)).await.unwrap();
    let gate = db.disk.close_gate();
    let mut first = storage.enqueue(vec![task("other", 3)], NOW);
    start(&mut first);
    db.disk.wait_until_blocked();

    // All commands that are sent now share the next batch.
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
    assert_eq!(numbers(&db.plain()), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let sql = "SELECT status, attempts, lease FROM omniq_task ORDER BY id LIMIT 1";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let untouched: (i64, i64, i64) = db.plain().query_row(sql, [], row).unwrap();
    assert_eq!(untouched, (0, 0, 0));
}

#[tokio::test]
async fn a_failing_parked_claim_does_not_affect_the_rest_of_its_batch() {
    let db = TestDatabase::new();
    let storage = db.open();
    let (soon, later) = (NOW.after(LEASE), NOW.after(LEASE * 2));
    let mut waiting = task("bad", 1);
    waiting.eta = Due::At(soon);
    enqueue_unclaimable(&db, &storage, waiting).await;
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
    assert_eq!(numbers(&db.plain()), [1, 2]);
}

/// The writer executes claims before enqueues, so this claim is parked when the batch enqueues the task.
#[tokio::test]
async fn a_claim_that_parks_in_the_batch_of_an_enqueue_gets_its_task() {
    let db = TestDatabase::new();
    let storage = db.open();
    let gate = db.disk.close_gate();
    let mut first = storage.enqueue(vec![task("other", 1)], NOW);
    start(&mut first);
    db.disk.wait_until_blocked();
    let mut claimed = storage.claim(claim_of("a").park(None));
    let mut enqueued = storage.enqueue(vec![task("a", 2)], NOW);
    start(&mut claimed);
    start(&mut enqueued);
    drop(gate);
    within(enqueued).await.unwrap();
    let claimed = within(claimed).await.unwrap();
    assert_eq!(claimed.tasks.len(), 1);
    assert_eq!(claimed.tasks[0].lease, 1);
}

#[tokio::test]
async fn a_dropped_claim_leaves_its_task_to_the_next() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut parked = storage.claim(claim_of("a").park(None));
    start(&mut parked);
    // An answer shows that the writer has parked what was sent before.
    enqueue(&storage, task("other", 1)).await.unwrap();
    drop(parked);
    enqueue(&storage, task("a", 2)).await.unwrap();
    let claimed = within(storage.claim(claim_of("a"))).await.unwrap();
    assert_eq!(
        (claimed.tasks[0].attempts, claimed.tasks[0].lease),
        (1, 1),
        "the dropped claim has claimed it"
    );
}

#[tokio::test]
async fn a_claim_that_is_dropped_before_its_commit_is_refunded() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let gate = db.disk.close_gate();
    let mut claimed = storage.claim(claim_of("a"));
    start(&mut claimed);
    db.disk.wait_until_blocked();
    drop(claimed);
    let mut second = claim_of("a").park(None);
    second.owner = owner(2);
    let mut second = storage.claim(second);
    start(&mut second);
    drop(gate);
    let claimed = within(second).await.unwrap().tasks;
    assert_eq!(claimed[0].owner, Some(owner(2)));
    assert_eq!(
        (claimed[0].attempts, claimed[0].lease),
        (1, 2),
        "a lease number is never used twice"
    );
}

#[tokio::test]
async fn an_answered_claim_that_is_dropped_unread_is_refunded() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let mut claimed = storage.claim(claim_of("a"));
    start(&mut claimed);
    // This answer comes after the claim's, so the claim's answer is ready, and is dropped unread.
    enqueue(&storage, task("other", 2)).await.unwrap();
    drop(claimed);
    let again = within(storage.claim(claim_of("a").park(None)))
        .await
        .unwrap();
    assert_eq!((again.tasks[0].attempts, again.tasks[0].lease), (1, 2));
}

#[test]
fn a_claim_that_is_dropped_with_the_storage_is_refunded() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut enqueued = storage.enqueue(vec![task("a", 1)], NOW);
    let gate = db.disk.close_gate();
    start(&mut enqueued);
    db.disk.wait_until_blocked();
    let mut claimed = storage.claim(claim_of("a"));
    start(&mut claimed);
    db.disk.pass_one();
    db.disk.wait_until_blocked();
    drop((claimed, enqueued));
    let closed = db.disk.closes();
    let ending = std::thread::spawn(move || drop(storage));
    db.disk.wait_until_closed(closed + 2);
    drop(gate);
    ending.join().unwrap();
    let sql = "SELECT status, attempts, owner FROM omniq_task";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let left: (i64, i64, Option<i64>) = db.plain().query_row(sql, [], row).unwrap();
    assert_eq!(left, (0, 0, None));
}
