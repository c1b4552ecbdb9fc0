//! A full disk: no answer is wrong, no task is lost on the way, and work goes on once there is space.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use omniq_core::settle::take_over;
use omniq_core::storage::{ClaimRequest, Settled};
use omniq_core::{Error, Format, NewTask, Payload, Storage, Task, TaskStatus};
use omniq_sqlite::SqliteStorage;
use rusqlite::ffi;
use tokio::task::JoinSet;

use crate::common::{
    LEASE, NOW, Place, claim_of, done, enqueue, numbers, owner, seed, start, task, within,
};
use crate::disk::Disk;
use crate::failing_disk::{change_weather, is_unknown};

/// More than SQLite's page cache, so that it is written before the commit.
fn large() -> Vec<NewTask> {
    let payload = Payload::new(Format::Raw, vec![7; 1 << 20]);
    vec![NewTask::new("large", "default", payload); 4]
}

/// On a busy machine a batch may end before all of these are in it; then they share no fate.
#[tokio::test]
async fn a_batch_that_fills_the_disk_changes_nothing() {
    for _ in 0..10 {
        if one_batch_fills_the_disk().await {
            return;
        }
    }
    panic!("the batch was ended early each time");
}

/// Says whether it was one batch.
async fn one_batch_fills_the_disk() -> bool {
    let place = Place::new();
    let storage = place.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let gate = place.disk.close_gate();
    let mut first = storage.enqueue(vec![task("a", 2)], NOW);
    start(&mut first);
    place.disk.wait_until_blocked();
    place.disk.fail_writes_after(20, ffi::SQLITE_FULL);
    let mut batch = vec![
        storage.enqueue(vec![task("a", 3)], NOW),
        storage.enqueue(large(), NOW),
        storage.enqueue(vec![task("a", 4)], NOW),
    ];
    let mut caught = storage.claim(claim_of("a"));
    start(&mut caught);
    batch.iter_mut().for_each(start);
    drop(gate);

    within(first).await.unwrap();
    let mut answers = Vec::new();
    for answer in batch {
        answers.push(within(answer).await);
    }
    let caught = within(caught).await;
    let refused = |answer: &Result<_, Error>| answer.as_ref().is_err_and(|e| !e.is_unknown());
    if !answers.iter().all(refused) {
        return false;
    }
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(!is_unknown(&error, "jobs.db"), "{error}");
        assert!(error.to_string().contains("free some space"), "{error}");
    }
    let error = caught.unwrap_err();
    assert!(!is_unknown(&error, "jobs.db"), "{error}");
    assert_eq!(numbers(&place.plain()), [1, 2]);

    place.disk.heal();
    within(storage.enqueue(large(), NOW)).await.unwrap();
    let caught = within(storage.claim(claim_of("a").limit(9))).await.unwrap();
    let attempts: Vec<_> = caught.tasks.iter().map(|t| (t.attempts, t.lease)).collect();
    assert_eq!(attempts, [(1, 1), (1, 1)]);
    true
}

#[tokio::test]
async fn a_commit_that_fills_the_disk_is_unknown() {
    let place = Place::new();
    let storage = place.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    place.disk.fail_writes_after(0, ffi::SQLITE_FULL);
    let error = enqueue(&storage, task("a", 2)).await.unwrap_err();
    assert!(is_unknown(&error, "jobs.db"), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    place.disk.heal();
    enqueue(&storage, task("a", 3)).await.unwrap();
    assert_eq!(numbers(&place.plain()), [1, 3]);
}

const TASKS: u64 = 300;
const PER_CLAIM: usize = 3;

/// A worker whose disk comes and goes. It never gives up on a settlement.
struct Worker {
    storage: Arc<SqliteStorage>,
    disk: Arc<Disk>,
    rng: Rng,
    number: i64,
    unknown_claims: usize,
}

impl Worker {
    fn request(&self) -> ClaimRequest {
        let mut request = claim_of("a").limit(PER_CLAIM);
        request.owner = owner(self.number);
        request
    }

    async fn work(mut self) -> usize {
        let mut idle = 0;
        while idle < 3 {
            if self.rng.u8(..4) == 0 {
                change_weather(&self.disk, &mut self.rng);
            }
            match within(self.storage.claim(self.request())).await {
                Ok(claimed) if claimed.tasks.is_empty() => idle += 1,
                Ok(claimed) => self.settle(&claimed.tasks).await,
                Err(error) => {
                    self.unknown_claims += usize::from(is_unknown(&error, "jobs.db"));
                }
            }
        }
        self.unknown_claims
    }

    async fn settle(&mut self, tasks: &[Task]) {
        let mut may_be_done = false;
        loop {
            let changes = tasks.iter().map(done).collect();
            match within(self.storage.settle(changes, NOW)).await {
                Ok(answers) => return check(tasks, &answers, may_be_done),
                Err(error) => may_be_done |= is_unknown(&error, "jobs.db"),
            }
            change_weather(&self.disk, &mut self.rng);
        }
    }
}

/// Done now, or by an earlier try of which nobody knew.
fn check(tasks: &[Task], answers: &[Settled], may_be_done: bool) {
    for (task, answer) in tasks.iter().zip(answers) {
        let before = Settled::Stale {
            status: TaskStatus::Success,
            lease: task.lease,
        };
        let fine = *answer == Settled::Applied || may_be_done && *answer == before;
        assert!(fine, "{answer:?} to lease {} of {}", task.lease, task.id);
    }
}

/// Takes over what nobody looks after, once its lease is over; says how many that were.
async fn sweep(storage: &SqliteStorage) -> usize {
    let seen = within(storage.orphans(Duration::ZERO, 1_000)).await;
    assert_eq!(seen.unwrap(), [], "no lease can be over at first sight");
    let orphans = within(storage.orphans(LEASE, 1_000)).await.unwrap();
    let changes: Vec<_> = orphans
        .iter()
        .map(|orphan| take_over(orphan, 9, NOW, 0.0).unwrap())
        .collect();
    let answers = within(storage.settle(changes, NOW)).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Settled::Applied));
    orphans.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_claim_leaves_a_task_to_nobody() {
    let place = Place::new();
    let storage = Arc::new(place.open());
    let tasks = (0..TASKS).map(|n| task("a", n)).collect();
    within(storage.enqueue(tasks, NOW)).await.unwrap();
    let mut rng = Rng::with_seed(seed());
    let mut workers = JoinSet::new();
    for number in 1..=8 {
        let worker = Worker {
            storage: storage.clone(),
            disk: place.disk.clone(),
            rng: rng.fork(),
            number,
            unknown_claims: 0,
        };
        workers.spawn(worker.work());
    }
    let unknown_claims: usize = workers.join_all().await.into_iter().sum();
    place.disk.heal();

    let orphans = sweep(&storage).await;
    assert!(
        orphans <= unknown_claims * PER_CLAIM,
        "{orphans} orphans of {unknown_claims}"
    );
    let mut rest = claim_of("a").limit(1_000);
    rest.now = NOW.after(LEASE * 100);
    let rest = within(storage.claim(rest)).await.unwrap().tasks;
    assert_eq!(rest.len(), orphans);
    let answers = within(storage.settle(rest.iter().map(done).collect(), NOW)).await;
    check(&rest, &answers.unwrap(), false);

    let sql = "SELECT count(*) FROM omniq_task WHERE status = 2 AND attempts = 1 AND owner IS NULL";
    let good: u32 = place.plain().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(
        u64::from(good),
        TASKS,
        "each ran once, whatever was claimed in vain"
    );
}
