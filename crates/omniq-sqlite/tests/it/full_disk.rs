//! Tests a full disk: no answer is wrong, no task is lost, and work continues once there is space.

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
    LEASE, NOW, TestDatabase, claim_of, enqueue, numbers, owner, seed, start, success, task, within,
};
use crate::disk::Disk;
use crate::failing_disk::{change_faults, is_unknown};

/// Returns tasks that are larger than SQLite's page cache, so that they are written before the commit.
fn large() -> Vec<NewTask> {
    let payload = Payload::new(Format::Raw, vec![7; 1 << 20]);
    vec![NewTask::new("large", "default", payload); 4]
}

/// On a busy machine the batch may end before all commands are in it. Then the test tries again.
#[tokio::test]
async fn a_batch_that_fills_the_disk_changes_nothing() {
    for _ in 0..10 {
        if one_batch_fills_the_disk().await {
            return;
        }
    }
    panic!("the batch was ended early each time");
}

/// Returns whether all commands were in one batch.
async fn one_batch_fills_the_disk() -> bool {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let gate = db.disk.close_gate();
    let mut first = storage.enqueue(vec![task("a", 2)], NOW);
    start(&mut first);
    db.disk.wait_until_blocked();
    db.disk.fail_writes_after(20, ffi::SQLITE_FULL);
    let mut batch = vec![
        storage.enqueue(vec![task("a", 3)], NOW),
        storage.enqueue(large(), NOW),
        storage.enqueue(vec![task("a", 4)], NOW),
    ];
    let mut claimed = storage.claim(claim_of("a"));
    start(&mut claimed);
    batch.iter_mut().for_each(start);
    drop(gate);

    within(first).await.unwrap();
    let mut answers = Vec::new();
    for answer in batch {
        answers.push(within(answer).await);
    }
    let claimed = within(claimed).await;
    let refused = |answer: &Result<_, Error>| answer.as_ref().is_err_and(|e| !e.is_unknown());
    if !answers.iter().all(refused) {
        return false;
    }
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(!is_unknown(&error, "jobs.db"), "{error}");
        assert!(error.to_string().contains("free some space"), "{error}");
    }
    let error = claimed.unwrap_err();
    assert!(!is_unknown(&error, "jobs.db"), "{error}");
    assert_eq!(numbers(&db.plain()), [1, 2]);

    db.disk.heal();
    within(storage.enqueue(large(), NOW)).await.unwrap();
    let claimed = within(storage.claim(claim_of("a").limit(9))).await.unwrap();
    let attempts: Vec<_> = claimed
        .tasks
        .iter()
        .map(|t| (t.attempts, t.lease))
        .collect();
    assert_eq!(attempts, [(1, 1), (1, 1)]);
    true
}

#[tokio::test]
async fn a_commit_that_fills_the_disk_is_unknown() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    db.disk.fail_writes_after(0, ffi::SQLITE_FULL);
    let error = enqueue(&storage, task("a", 2)).await.unwrap_err();
    assert!(is_unknown(&error, "jobs.db"), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    db.disk.heal();
    enqueue(&storage, task("a", 3)).await.unwrap();
    assert_eq!(numbers(&db.plain()), [1, 3]);
}

const TASKS: u64 = 300;
const PER_CLAIM: usize = 3;

/// A worker whose disk fails and recovers. It retries each settlement until it succeeds.
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
                change_faults(&self.disk, &mut self.rng);
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
        let mut may_be_settled = false;
        loop {
            let changes = tasks.iter().map(success).collect();
            match within(self.storage.settle(changes, NOW)).await {
                Ok(answers) => return check(tasks, &answers, may_be_settled),
                Err(error) => may_be_settled |= is_unknown(&error, "jobs.db"),
            }
            change_faults(&self.disk, &mut self.rng);
        }
    }
}

/// Checks that each task was settled now, or by an earlier attempt whose outcome was unknown.
fn check(tasks: &[Task], answers: &[Settled], may_be_settled: bool) {
    for (task, answer) in tasks.iter().zip(answers) {
        let settled_before = Settled::Stale {
            status: TaskStatus::Success,
            lease: task.lease,
        };
        let is_settled = *answer == Settled::Applied || may_be_settled && *answer == settled_before;
        assert!(
            is_settled,
            "{answer:?} to lease {} of {}",
            task.lease, task.id
        );
    }
}

/// Takes over the orphans whose lease has expired. Returns how many.
async fn sweep(storage: &SqliteStorage) -> usize {
    let seen = within(storage.orphans(Duration::ZERO, 1_000)).await;
    assert_eq!(
        seen.unwrap(),
        [],
        "no lease can have expired at the first query"
    );
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
async fn a_failed_claim_loses_no_task() {
    let db = TestDatabase::new();
    let storage = Arc::new(db.open());
    let tasks = (0..TASKS).map(|n| task("a", n)).collect();
    within(storage.enqueue(tasks, NOW)).await.unwrap();
    let mut rng = Rng::with_seed(seed());
    let mut workers = JoinSet::new();
    for number in 1..=8 {
        let worker = Worker {
            storage: storage.clone(),
            disk: db.disk.clone(),
            rng: rng.fork(),
            number,
            unknown_claims: 0,
        };
        workers.spawn(worker.work());
    }
    let unknown_claims: usize = workers.join_all().await.into_iter().sum();
    db.disk.heal();

    let orphans = sweep(&storage).await;
    assert!(
        orphans <= unknown_claims * PER_CLAIM,
        "{orphans} orphans of {unknown_claims}"
    );
    let mut rest = claim_of("a").limit(1_000);
    rest.now = NOW.after(LEASE * 100);
    let rest = within(storage.claim(rest)).await.unwrap().tasks;
    assert_eq!(rest.len(), orphans);
    let answers = within(storage.settle(rest.iter().map(success).collect(), NOW)).await;
    check(&rest, &answers.unwrap(), false);

    let sql = "SELECT count(*) FROM omniq_task WHERE status = 2 AND attempts = 1 AND owner IS NULL";
    let good: u32 = db.plain().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(
        u64::from(good),
        TASKS,
        "each task ran once, although claims failed"
    );
}
