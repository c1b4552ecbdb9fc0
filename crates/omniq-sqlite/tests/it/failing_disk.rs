//! Tests that every answer is true while the disk fails and recovers: yes, no, or unknown.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fastrand::Rng;
use omniq_core::{Error, ErrorKind, Result, Storage, TaskId};
use omniq_sqlite::SqliteStorage;
use rusqlite::ffi;
use tokio::task::JoinSet;

use crate::common::{NOW, TestDatabase, enqueue, number, numbers, seed, start, task, within};
use crate::disk::Disk;

const PRODUCERS: u64 = 16;
const CALLS: u64 = 150;

/// The answers that callers got for their tasks.
#[derive(Default)]
pub(crate) struct Answers {
    acknowledged: HashMap<u64, TaskId>,
    unknown: HashSet<u64>,
    refused: HashSet<u64>,
}

/// Checks that an error of the disk is either "nothing was changed" or "unknown", and that it names the database.
/// Returns whether it is "unknown".
pub(crate) fn is_unknown(error: &Error, file_name: &str) -> bool {
    assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
    assert!(error.is_unknown() != error.is_retryable(), "{error:?}");
    assert!(error.to_string().contains(file_name), "{error:?}");
    error.is_unknown()
}

impl Answers {
    fn record(
        &mut self,
        tasks: std::ops::Range<u64>,
        answer: Result<Vec<TaskId>>,
        file_name: &str,
    ) {
        match answer {
            Ok(ids) => self.acknowledged.extend(tasks.zip(ids)),
            Err(error) if is_unknown(&error, file_name) => self.unknown.extend(tasks),
            Err(_) => self.refused.extend(tasks),
        }
    }

    fn extend(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.unknown.extend(other.unknown);
        self.refused.extend(other.refused);
    }

    fn compare(&self, db: &TestDatabase) {
        let conn = db.plain();
        let mut statement = conn.prepare("SELECT payload, id FROM omniq_task").unwrap();
        let row = |row: &rusqlite::Row<'_>| {
            let id = TaskId::from_i64(row.get(1)?).unwrap();
            Ok((number(row.get_ref(0)?.as_blob()?), id))
        };
        let rows = statement.query_map([], row).unwrap();
        let mut found = HashMap::new();
        for (number, id) in rows.map(Result::unwrap) {
            assert_eq!(found.insert(number, id), None, "{number} is stored twice");
            assert!(!self.refused.contains(&number), "{number} was refused");
            let known = self.acknowledged.contains_key(&number) || self.unknown.contains(&number);
            assert!(known, "no caller enqueued {number}");
        }
        for (number, id) in &self.acknowledged {
            assert_eq!(found.get(number), Some(id), "{number} was acknowledged");
        }
    }
}

/// Makes the disk work, or fail in one of several ways after some calls.
pub(crate) fn change_faults(disk: &Disk, rng: &mut Rng) {
    disk.heal();
    match rng.u8(..11) {
        0 => disk.fail_syncs_after(rng.u64(..4)),
        1 => disk.fail_writes_after(rng.u64(..9), ffi::SQLITE_IOERR_WRITE),
        2 => disk.fail_writes_after(rng.u64(..9), ffi::SQLITE_FULL),
        3 => {
            disk.fail_syncs_after(0);
            disk.fail_opening();
        }
        4 => disk.fail_one_sync_after(rng.u64(..4)),
        _ => {}
    }
}

async fn produce(storage: Arc<SqliteStorage>, disk: Arc<Disk>, mut rng: Rng, from: u64) -> Answers {
    let mut answers = Answers::default();
    let mut next = from;
    for _ in 0..CALLS {
        if rng.u8(..12) == 0 {
            change_faults(&disk, &mut rng);
        }
        let tasks = next..next + rng.u64(1..4);
        next = tasks.end;
        let new = tasks.clone().map(|n| task("a", n)).collect();
        let answer = within(storage.enqueue(new, NOW)).await;
        let ids = answer.map(|all| all.into_iter().map(|one| one.id()).collect());
        answers.record(tasks, ids, "jobs.db");
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_answer_to_a_producer_is_true() {
    let db = TestDatabase::new();
    let storage = Arc::new(db.open());
    let mut rng = Rng::with_seed(seed());
    let mut answers = Answers::default();
    for round in 1..=4 {
        let mut producers = JoinSet::new();
        for producer in 0..PRODUCERS {
            let from = round * 1_000_000 + producer * 10_000;
            producers.spawn(produce(storage.clone(), db.disk.clone(), rng.fork(), from));
        }
        for one in producers.join_all().await {
            answers.extend(one);
        }
        db.disk.heal();
        let id = enqueue(&storage, task("a", round)).await;
        answers
            .acknowledged
            .insert(round, id.expect("the disk works again"));
    }
    drop(storage);
    assert!(
        !answers.acknowledged.is_empty()
            && !answers.unknown.is_empty()
            && !answers.refused.is_empty()
    );
    answers.compare(&db);
}

#[tokio::test]
async fn a_failed_flush_is_reported_to_every_waiting_caller() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let gate = db.disk.close_gate();
    let mut first = storage.enqueue(vec![task("a", 2)], NOW);
    start(&mut first);
    db.disk.wait_until_blocked();
    let mut others: Vec<_> = (3..9)
        .map(|n| storage.enqueue(vec![task("a", n)], NOW))
        .collect();
    others.iter_mut().for_each(start);
    db.disk.fail_syncs_after(1);
    drop(gate);

    within(first).await.unwrap();
    for answer in others {
        let error = within(answer).await.unwrap_err();
        assert!(is_unknown(&error, "jobs.db"), "{error}");
        assert!(error.to_string().contains("unique key"), "{error}");
    }
    db.disk.heal();
    enqueue(&storage, task("a", 9)).await.unwrap();
    let found = numbers(&db.plain());
    assert!(
        found.starts_with(&[1, 2]) && found.ends_with(&[9]),
        "{found:?}"
    );
}

#[tokio::test]
async fn while_the_database_cannot_be_opened_again_nothing_is_changed() {
    let db = TestDatabase::new();
    let storage = db.open();
    db.disk.fail_syncs_after(0);
    db.disk.fail_opening();
    let error = enqueue(&storage, task("a", 1)).await.unwrap_err();
    assert!(is_unknown(&error, "jobs.db"), "{error}");
    for number in 2..4 {
        let error = enqueue(&storage, task("a", number)).await.unwrap_err();
        assert!(!is_unknown(&error, "jobs.db"), "{error}");
    }
    db.disk.heal();
    enqueue(&storage, task("a", 4)).await.unwrap();
    let found = numbers(&db.plain());
    assert!(found == [4] || found == [1, 4], "{found:?}");
}

/// A new database would not contain the acknowledged tasks.
#[tokio::test]
async fn a_missing_database_is_not_created_again() {
    let db = TestDatabase::new();
    let storage = db.open();
    db.disk.fail_syncs_after(0);
    enqueue(&storage, task("a", 1)).await.unwrap_err();
    db.disk.heal();
    let aside = db.folder.path().join("aside.db");
    std::fs::rename(&db.path, &aside).unwrap();
    let error = enqueue(&storage, task("a", 2)).await.unwrap_err();
    assert!(!is_unknown(&error, "jobs.db"), "{error}");
    assert!(!db.path.exists());
    std::fs::rename(&aside, &db.path).unwrap();
    enqueue(&storage, task("a", 3)).await.unwrap();
}

#[tokio::test]
async fn a_parked_claim_survives_a_failed_commit() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut parked = storage.claim(crate::common::claim_of("a").park(None));
    start(&mut parked);
    enqueue(&storage, task("other", 1)).await.unwrap();
    db.disk.fail_syncs_after(0);
    let error = enqueue(&storage, task("other", 2)).await.unwrap_err();
    assert!(error.is_unknown());
    start(&mut parked);
    db.disk.heal();
    enqueue(&storage, task("a", 3)).await.unwrap();
    assert_eq!(within(parked).await.unwrap().tasks.len(), 1);
}

#[tokio::test]
async fn a_parked_claim_whose_commit_failed_gets_an_unknown() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut parked = storage.claim(crate::common::claim_of("a").park(None));
    start(&mut parked);
    enqueue(&storage, task("other", 1)).await.unwrap();
    db.disk.fail_syncs_after(0);
    let error = enqueue(&storage, task("a", 2)).await.unwrap_err();
    assert!(error.is_unknown());
    let error = within(parked).await.unwrap_err();
    assert!(is_unknown(&error, "jobs.db"), "{error}");
}
