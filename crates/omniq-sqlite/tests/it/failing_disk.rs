//! While the disk fails and recovers, every answer is true: yes, no, or unknown.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use fastrand::Rng;
use omniq_core::{Error, ErrorKind, Result, Storage, TaskId};
use omniq_sqlite::SqliteStorage;
use rusqlite::ffi;
use tokio::task::JoinSet;

use crate::common::{NOW, Place, enqueue, number, numbers, seed, start, task, within};
use crate::disk::Disk;

const PRODUCERS: u64 = 16;
const CALLS: u64 = 150;

/// What a caller was told.
#[derive(Default)]
pub(crate) struct Told {
    kept: HashMap<u64, TaskId>,
    unknown: HashSet<u64>,
    refused: HashSet<u64>,
}

/// An error of the disk says either "nothing was changed" or "unknown", and names the database.
pub(crate) fn is_unknown(error: &Error, place: &str) -> bool {
    assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
    assert!(error.is_unknown() != error.is_retryable(), "{error:?}");
    assert!(error.to_string().contains(place), "{error:?}");
    error.is_unknown()
}

impl Told {
    fn note(&mut self, tasks: std::ops::Range<u64>, answer: Result<Vec<TaskId>>, place: &str) {
        match answer {
            Ok(ids) => self.kept.extend(tasks.zip(ids)),
            Err(error) if is_unknown(&error, place) => self.unknown.extend(tasks),
            Err(_) => self.refused.extend(tasks),
        }
    }

    fn extend(&mut self, other: Self) {
        self.kept.extend(other.kept);
        self.unknown.extend(other.unknown);
        self.refused.extend(other.refused);
    }

    fn compare(&self, place: &Place) {
        let conn = place.plain();
        let mut statement = conn.prepare("SELECT payload, id FROM omniq_task").unwrap();
        let row = |row: &rusqlite::Row<'_>| {
            let id = TaskId::from_i64(row.get(1)?).unwrap();
            Ok((number(row.get_ref(0)?.as_blob()?), id))
        };
        let rows = statement.query_map([], row).unwrap();
        let mut found = HashMap::new();
        for (number, id) in rows.map(Result::unwrap) {
            assert_eq!(found.insert(number, id), None, "{number} is there twice");
            assert!(!self.refused.contains(&number), "{number} was refused");
            let known = self.kept.contains_key(&number) || self.unknown.contains(&number);
            assert!(known, "nobody was told of {number}");
        }
        for (number, id) in &self.kept {
            assert_eq!(found.get(number), Some(id), "{number} was acknowledged");
        }
    }
}

/// The weather changes: mostly fair, else one kind of failure from some call on.
pub(crate) fn change_weather(disk: &Disk, rng: &mut Rng) {
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

async fn produce(storage: Arc<SqliteStorage>, disk: Arc<Disk>, mut rng: Rng, from: u64) -> Told {
    let mut told = Told::default();
    let mut next = from;
    for _ in 0..CALLS {
        if rng.u8(..12) == 0 {
            change_weather(&disk, &mut rng);
        }
        let tasks = next..next + rng.u64(1..4);
        next = tasks.end;
        let new = tasks.clone().map(|n| task("a", n)).collect();
        let answer = within(storage.enqueue(new, NOW)).await;
        let ids = answer.map(|all| all.into_iter().map(|one| one.id()).collect());
        told.note(tasks, ids, "jobs.db");
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_answer_to_a_producer_is_true() {
    let place = Place::new();
    let storage = Arc::new(place.open());
    let mut rng = Rng::with_seed(seed());
    let mut told = Told::default();
    for round in 1..=4 {
        let mut producers = JoinSet::new();
        for producer in 0..PRODUCERS {
            let from = round * 1_000_000 + producer * 10_000;
            producers.spawn(produce(
                storage.clone(),
                place.disk.clone(),
                rng.fork(),
                from,
            ));
        }
        for one in producers.join_all().await {
            told.extend(one);
        }
        place.disk.heal();
        let id = enqueue(&storage, task("a", round)).await;
        told.kept
            .insert(round, id.expect("the cause is gone, so it works again"));
    }
    drop(storage);
    assert!(!told.kept.is_empty() && !told.unknown.is_empty() && !told.refused.is_empty());
    told.compare(&place);
}

#[tokio::test]
async fn a_failed_flush_is_told_to_everyone_who_waits_for_it() {
    let place = Place::new();
    let storage = place.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let gate = place.disk.close_gate();
    let mut first = storage.enqueue(vec![task("a", 2)], NOW);
    start(&mut first);
    place.disk.wait_until_blocked();
    let mut others: Vec<_> = (3..9)
        .map(|n| storage.enqueue(vec![task("a", n)], NOW))
        .collect();
    others.iter_mut().for_each(start);
    place.disk.fail_syncs_after(1);
    drop(gate);

    within(first).await.unwrap();
    for answer in others {
        let error = within(answer).await.unwrap_err();
        assert!(is_unknown(&error, "jobs.db"), "{error}");
        assert!(error.to_string().contains("unique key"), "{error}");
    }
    place.disk.heal();
    enqueue(&storage, task("a", 9)).await.unwrap();
    let found = numbers(&place.plain());
    assert!(
        found.starts_with(&[1, 2]) && found.ends_with(&[9]),
        "{found:?}"
    );
}

#[tokio::test]
async fn while_the_database_cannot_be_opened_again_the_answer_is_no() {
    let place = Place::new();
    let storage = place.open();
    place.disk.fail_syncs_after(0);
    place.disk.fail_opening();
    let error = enqueue(&storage, task("a", 1)).await.unwrap_err();
    assert!(is_unknown(&error, "jobs.db"), "{error}");
    for number in 2..4 {
        let error = enqueue(&storage, task("a", number)).await.unwrap_err();
        assert!(!is_unknown(&error, "jobs.db"), "{error}");
    }
    place.disk.heal();
    enqueue(&storage, task("a", 4)).await.unwrap();
    let found = numbers(&place.plain());
    assert!(found == [4] || found == [1, 4], "{found:?}");
}

/// In a new database nobody would find what was acknowledged.
#[tokio::test]
async fn a_database_that_is_gone_is_not_made_anew() {
    let place = Place::new();
    let storage = place.open();
    place.disk.fail_syncs_after(0);
    enqueue(&storage, task("a", 1)).await.unwrap_err();
    place.disk.heal();
    let aside = place.folder.path().join("aside.db");
    std::fs::rename(&place.path, &aside).unwrap();
    let error = enqueue(&storage, task("a", 2)).await.unwrap_err();
    assert!(!is_unknown(&error, "jobs.db"), "{error}");
    assert!(!place.path.exists());
    std::fs::rename(&aside, &place.path).unwrap();
    enqueue(&storage, task("a", 3)).await.unwrap();
}

#[tokio::test]
async fn a_parked_claim_outlives_a_failed_commit() {
    let place = Place::new();
    let storage = place.open();
    let mut parked = storage.claim(crate::common::claim_of("a").park(None));
    start(&mut parked);
    enqueue(&storage, task("other", 1)).await.unwrap();
    place.disk.fail_syncs_after(0);
    let error = enqueue(&storage, task("other", 2)).await.unwrap_err();
    assert!(error.is_unknown());
    start(&mut parked);
    place.disk.heal();
    enqueue(&storage, task("a", 3)).await.unwrap();
    assert_eq!(within(parked).await.unwrap().tasks.len(), 1);
}

#[tokio::test]
async fn a_parked_claim_whose_commit_failed_is_told_so() {
    let place = Place::new();
    let storage = place.open();
    let mut parked = storage.claim(crate::common::claim_of("a").park(None));
    start(&mut parked);
    enqueue(&storage, task("other", 1)).await.unwrap();
    place.disk.fail_syncs_after(0);
    let error = enqueue(&storage, task("a", 2)).await.unwrap_err();
    assert!(error.is_unknown());
    let error = within(parked).await.unwrap_err();
    assert!(is_unknown(&error, "jobs.db"), "{error}");
}
