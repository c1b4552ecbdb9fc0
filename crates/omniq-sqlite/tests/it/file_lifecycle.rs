//! Tests one file from the first opening to the last closing, and the ids that it assigns.

use std::time::Duration;

use omniq_core::storage::{Enqueued, PurgeRequest};
use omniq_core::{Storage, TaskId, TaskStatus, Timestamp};
use omniq_sqlite::SqliteStorage;

use crate::common::{NOW, TestDatabase, claim_of, enqueue, number, start, success, task, within};

#[tokio::test]
async fn closing_leaves_one_complete_file() {
    for _ in 0..5 {
        let db = TestDatabase::new();
        let storage = db.open();
        let id = enqueue(&storage, task("a", 1)).await.unwrap();
        within(storage.get(vec![id, id])).await.unwrap();
        let mut unanswered = storage.enqueue(vec![task("a", 2)], NOW);
        start(&mut unanswered);
        // A busy reader closes late, and only the writer can checkpoint and remove the `-wal`.
        let mut long_query = storage.get(vec![id; 5_000]);
        start(&mut long_query);
        drop((unanswered, long_query));
        drop(storage);
        let remaining: Vec<_> = std::fs::read_dir(db.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name != "jobs.db-omniq")
            .collect();
        assert_eq!(remaining, ["jobs.db"]);
        let conn = db.plain();
        let check: String = conn
            .query_row("PRAGMA integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(check, "ok");
        assert_eq!(
            crate::common::numbers(&conn),
            [1, 2],
            "a command that was sent is executed"
        );
    }
}

#[test]
fn closing_ends_its_threads() {
    let db = TestDatabase::new();
    let before = db.disk.closes();
    drop(db.open());
    assert_eq!(db.disk.closes() - before, 3, "a writer and two readers");
}

async fn enqueue_at(storage: &SqliteStorage, now: Timestamp) -> TaskId {
    let answer = within(storage.enqueue(vec![task("a", 1)], now)).await;
    match answer.unwrap()[..] {
        [Enqueued::New(id)] => id,
        ref other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn ids_rise_whatever_the_clock_does() {
    let db = TestDatabase::new();
    let mut storage = db.open();
    let far = NOW.after(Duration::from_secs(80 * 365 * 86_400));
    let clock = [
        Timestamp(0),
        NOW,
        NOW.before(Duration::from_secs(3600)),
        Timestamp(-5),
        far,
        NOW,
        Timestamp(i64::MAX),
        Timestamp(i64::MIN),
        far,
    ];
    let mut last = 0;
    for (round, now) in clock.into_iter().enumerate() {
        let id = enqueue_at(&storage, now).await.as_i64();
        assert!(id > last, "{id} after {last} at {now:?}");
        last = id;
        if round % 2 == 0 {
            drop(storage);
            storage = db.open();
        }
    }
    let id = TaskId::from_i64(last).unwrap();
    assert_eq!(id.to_string().parse::<TaskId>().unwrap(), id);
}

#[tokio::test]
async fn no_id_is_assigned_twice_after_a_purge() {
    let db = TestDatabase::new();
    let storage = db.open();
    let bystander = enqueue(&storage, task("other", 7)).await.unwrap();
    let first = enqueue(&storage, task("a", 1)).await.unwrap();
    let claimed = within(storage.claim(claim_of("a"))).await.unwrap();
    within(storage.settle(vec![success(&claimed.tasks[0])], NOW))
        .await
        .unwrap();
    let purge = PurgeRequest::new([TaskStatus::Success], Duration::ZERO, NOW);
    assert_eq!(within(storage.purge(purge)).await.unwrap(), 1);
    drop(storage);

    let storage = db.open();
    let second = enqueue(&storage, task("a", 2)).await.unwrap();
    assert!(second > first, "{second} after {first}");
    let found = within(storage.get(vec![first, bystander, second]))
        .await
        .unwrap();
    let found: Vec<_> = found
        .into_iter()
        .map(|task| task.map(|task| number(&task.payload.bytes)))
        .collect();
    assert_eq!(found, [None, Some(7), Some(2)]);
}
