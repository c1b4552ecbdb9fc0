//! Questions about concurrent callers on both handles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use omniq_core::settle::cancel;
use omniq_core::storage::{Enqueued, Settled};
use omniq_core::{Change, Storage, Task, TaskError, TaskId, TaskStatus};
use tokio::task::{JoinSet, yield_now};

use crate::Fixture;
use crate::builders::{
    NOW, failed_attempt, failure, order, order_with, release, request, success, with_key,
};
use crate::seed::rng;

impl Fixture {
    /// Returns the first handle for even numbers, and the second for odd ones.
    fn handle(&self, number: usize) -> Arc<dyn Storage> {
        Arc::clone([&self.first, &self.second][number % 2])
    }
}

pub(crate) async fn each_task_is_claimed_once(fixture: Fixture) {
    const TASKS: usize = 2_000;
    fixture.enqueue(vec![order("a"); TASKS], NOW).await;
    let mut rng = rng();
    let mut claimers = JoinSet::new();
    for number in 0..8 {
        let (storage, limit) = (fixture.handle(number), rng.usize(1..60));
        claimers.spawn(async move {
            let mut claimed = Vec::new();
            loop {
                let found = storage
                    .claim(request(NOW).limit(limit))
                    .await
                    .expect("claim");
                if found.tasks.is_empty() {
                    return claimed;
                }
                claimed.extend(found.tasks.iter().map(Task::lease));
            }
        });
    }
    let all = claimers.join_all().await.concat();
    assert_eq!(all.len(), TASKS, "each task was claimed once");
    let distinct: BTreeSet<_> = all.iter().map(|lease| lease.id).collect();
    assert_eq!(distinct.len(), TASKS);
    assert!(all.iter().all(|lease| lease.number == 1));
}

pub(crate) async fn one_key_adds_one_task(fixture: Fixture) {
    for round in 0..20 {
        let mut callers = JoinSet::new();
        for number in 0..8 {
            let storage = fixture.handle(number);
            let order = with_key("a", &format!("key {round}"));
            callers
                .spawn(async move { storage.enqueue(vec![order], NOW).await.expect("enqueue")[0] });
        }
        let answers = callers.join_all().await;
        let new = answers
            .iter()
            .filter(|answer| matches!(answer, Enqueued::New(_)));
        assert_eq!(new.count(), 1, "{answers:?}");
        assert!(answers.iter().all(|answer| answer.id() == answers[0].id()));
    }
}

/// The changes that the storage has applied.
#[derive(Default)]
struct Ledger {
    entries: Mutex<BTreeMap<TaskId, Entry>>,
    unfinished: AtomicUsize,
}

#[derive(Default)]
struct Entry {
    claims: u64,
    refunds: u64,
    finishes: Vec<TaskStatus>,
}

impl Ledger {
    fn record(&self, id: TaskId, update: impl FnOnce(&mut Entry)) {
        let mut entries = self.entries.lock().expect("the ledger");
        update(entries.entry(id).or_default());
    }

    async fn settle(&self, storage: &dyn Storage, change: Change) -> bool {
        let answer = storage
            .settle(vec![change.clone()], NOW)
            .await
            .expect("settle")[0];
        if answer == Settled::Applied && change.expect != TaskStatus::Cancelled {
            let finishes = change.status.is_finished();
            self.record(change.id, |entry| {
                entry.refunds +=
                    u64::from(change.status == TaskStatus::Pending && change.error.is_none());
                if finishes {
                    entry.finishes.push(change.status);
                }
            });
            self.unfinished
                .fetch_sub(usize::from(finishes), Ordering::SeqCst);
        }
        answer == Settled::Applied
    }

    fn has_unfinished(&self) -> bool {
        self.unfinished.load(Ordering::SeqCst) > 0
    }
}

async fn work(ledger: Arc<Ledger>, storage: Arc<dyn Storage>, mut rng: Rng) {
    while ledger.has_unfinished() {
        let found = storage
            .claim(request(NOW).limit(rng.usize(1..8)))
            .await
            .expect("claim");
        for task in found.tasks {
            ledger.record(task.id, |entry| entry.claims += 1);
            let change = match rng.u8(0..8) {
                0..4 => success(&task, vec![]),
                4 => failure(&task),
                5 => failed_attempt(&task, TaskError::retry_after(Duration::ZERO)),
                _ => release(&task),
            };
            if !ledger.settle(&*storage, change).await {
                let released = ledger
                    .settle(&*storage, Change::release_cancelled(&task))
                    .await;
                assert!(
                    released,
                    "only a cancel can come between a claim and its settlement"
                );
            }
        }
        yield_now().await;
    }
}

async fn cancel_some(ledger: Arc<Ledger>, storage: Arc<dyn Storage>, ids: Vec<TaskId>) {
    for id in ids {
        let found = storage.get(vec![id]).await.expect("get");
        let task = found[0].as_ref().expect("nothing is purged");
        if let Some(change) = cancel(task).into_change() {
            ledger.settle(&*storage, change).await;
        }
    }
}

pub(crate) async fn every_task_finishes_once(fixture: Fixture) {
    const TASKS: usize = 300;
    let ledger = Arc::new(Ledger::default());
    ledger.unfinished.store(TASKS, Ordering::SeqCst);
    let orders = vec![order_with("a", |new| new.max_attempts = 2); TASKS];
    let answers = fixture.enqueue(orders, NOW).await;
    let ids: Vec<_> = answers.into_iter().map(Enqueued::id).collect();
    let mut rng = rng();
    let mut all = JoinSet::new();
    for number in 0..4 {
        let rng = Rng::with_seed(rng.u64(..));
        all.spawn(work(Arc::clone(&ledger), fixture.handle(number), rng));
    }
    for number in 0..2 {
        let some = rng.choose_multiple(ids.iter().copied(), TASKS / 5);
        all.spawn(cancel_some(
            Arc::clone(&ledger),
            fixture.handle(number),
            some,
        ));
    }
    all.join_all().await;

    let entries = std::mem::take(&mut *ledger.entries.lock().expect("the ledger"));
    assert_eq!(entries.len(), TASKS);
    for (id, entry) in entries {
        let task = fixture.task(id).await;
        assert_eq!(entry.finishes, [task.status], "{id} finishes once");
        assert_eq!(task.lease, entry.claims, "{id}");
        assert_eq!(
            u64::from(task.attempts),
            entry.claims - entry.refunds,
            "{id}"
        );
        assert_eq!(task.owner, None, "{id} was released");
    }
}
