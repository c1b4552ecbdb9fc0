//! Tests that answers come after their commits, and that commits are shared.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use omniq_core::storage::{Enqueued, Settled};
use omniq_core::{Result, Storage, TaskStatus};
use omniq_sqlite::SqliteStorage;

use crate::common::{NOW, TestDatabase, claim_of, enqueue, numbers, start, success, task, within};

#[tokio::test]
async fn no_answer_precedes_its_commit() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("b", 1)).await.unwrap();
    let claimed = within(storage.claim(claim_of("b"))).await.unwrap();
    let gate = db.disk.close_gate();
    let mut enqueued = storage.enqueue(vec![task("a", 2)], NOW);
    start(&mut enqueued);
    db.disk.wait_until_blocked();
    let mut settled = storage.settle(vec![success(&claimed.tasks[0])], NOW);
    let mut claimed = storage.claim(claim_of("a"));

    start(&mut settled);
    start(&mut claimed);
    start(&mut enqueued);
    assert_eq!(numbers(&db.plain()), [1], "visible before its commit");

    db.disk.pass_one();
    within(&mut enqueued).await.unwrap();
    assert_eq!(numbers(&db.plain()), [1, 2]);
    db.disk.wait_until_blocked();
    start(&mut settled);
    start(&mut claimed);
    drop(gate);
    assert_eq!(within(settled).await.unwrap(), [Settled::Applied]);
    assert_eq!(within(claimed).await.unwrap().tasks.len(), 1);
}

#[tokio::test]
async fn a_query_does_not_wait_for_a_commit() {
    let db = TestDatabase::new();
    let storage = db.open();
    let id = enqueue(&storage, task("a", 1)).await.unwrap();
    let claimed = within(storage.claim(claim_of("a"))).await.unwrap();
    let _gate = db.disk.close_gate();
    let mut settled = storage.settle(vec![success(&claimed.tasks[0])], NOW);
    start(&mut settled);
    db.disk.wait_until_blocked();
    let found = within(storage.get(vec![id])).await.unwrap();
    assert_eq!(found[0].as_ref().unwrap().status, TaskStatus::Running);
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Vec<Enqueued>>> + Send + 'a>>;

/// Producers that each wait for their answer before they enqueue the next task.
struct Producers<'a> {
    storage: &'a SqliteStorage,
    waiting: Vec<Answer<'a>>,
    sent: u64,
    answered: u64,
}

impl Producers<'_> {
    const TOTAL: u64 = 6_400;

    /// Takes the answers that have arrived, and sends as many new tasks.
    fn exchange(&mut self, waker: &Waker) {
        let mut context = Context::from_waker(waker);
        for slot in &mut self.waiting {
            while let Poll::Ready(answer) = slot.as_mut().poll(&mut context) {
                answer.unwrap();
                self.answered += 1;
                self.sent += 1;
                *slot = match self.sent {
                    ..=Self::TOTAL => self.storage.enqueue(vec![task("a", self.sent)], NOW),
                    _ => Box::pin(std::future::pending()),
                };
            }
        }
    }
}

/// Each flush lasts until every producer waits again, as on a disk that is slower than the producers.
#[test]
fn many_producers_share_each_commit() {
    let db = TestDatabase::new();
    let storage = db.open();
    let before = db.disk.syncs();
    let _gate = db.disk.close_gate();
    let mut producers = Producers {
        storage: &storage,
        waiting: (1..=64)
            .map(|n| storage.enqueue(vec![task("a", n)], NOW))
            .collect(),
        sent: 64,
        answered: 0,
    };
    let waker = Waker::from(db.disk.clone());
    producers.exchange(&waker);
    while producers.answered < Producers::TOTAL {
        // A writer that waits at the gate has sent every earlier answer.
        let blocked = db.disk.wait_until_blocked_or_woken();
        producers.exchange(&waker);
        if blocked {
            db.disk.pass_one();
        }
    }
    let commits = db.disk.syncs() - before;
    assert!(commits <= Producers::TOTAL / 8, "{commits} commits");
    assert_eq!(numbers(&db.plain()).len() as u64, Producers::TOTAL);
}

#[tokio::test]
async fn durability_normal_flushes_no_commit() {
    let db = TestDatabase::new();
    let mut settings = omniq_core::CoreSettings::default();
    settings.durability = omniq_core::Durability::Normal;
    let storage = SqliteStorage::open(&db.path, &settings).unwrap();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let before = db.disk.syncs();
    for number in 2..10 {
        enqueue(&storage, task("a", number)).await.unwrap();
    }
    assert_eq!(db.disk.syncs(), before);
}
