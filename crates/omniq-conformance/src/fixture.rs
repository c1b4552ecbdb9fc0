//! The storage of one question, with shortcuts for its operations.

use std::sync::Arc;

use omniq_core::storage::{ClaimRequest, Enqueued, Settled};
use omniq_core::{Change, NewTask, Storage, Task, TaskId, Timestamp};

use crate::Subject;
use crate::builders::{NOW, request};
use crate::bystanders::Bystanders;

/// A storage and its bystanders during one question. An error of the storage fails the question.
#[derive(Clone)]
pub(crate) struct Fixture {
    /// Opens another, empty storage, for questions that need one.
    pub(crate) open: fn() -> Subject,
    /// The handle that questions use first.
    pub(crate) first: Arc<dyn Storage>,
    /// The second handle on the same data. If the storage has one handle only, it is that one.
    pub(crate) second: Arc<dyn Storage>,
    bystanders: Arc<Bystanders>,
    _subject: Arc<Subject>,
}

impl Fixture {
    pub(crate) async fn open(open: fn() -> Subject) -> Self {
        let subject = open();
        Self {
            open,
            first: Arc::clone(&subject.storage),
            second: subject.other(),
            bystanders: Arc::new(Bystanders::create(&*subject.storage).await),
            _subject: Arc::new(subject),
        }
    }

    /// Returns the same storage with the second handle in the place of the first.
    pub(crate) fn through_second(&self) -> Self {
        Self {
            first: Arc::clone(&self.second),
            ..self.clone()
        }
    }

    pub(crate) async fn assert_bystanders_unchanged(&self) {
        self.bystanders.assert_unchanged(&*self.first).await;
    }

    pub(crate) async fn enqueue(&self, orders: Vec<NewTask>, now: Timestamp) -> Vec<Enqueued> {
        self.first.enqueue(orders, now).await.expect("enqueue")
    }

    /// Enqueues a task that is expected to be new.
    pub(crate) async fn add(&self, order: NewTask) -> TaskId {
        match self.enqueue(vec![order], NOW).await.as_slice() {
            [Enqueued::New(id)] => *id,
            other => panic!("one new task was expected: {other:?}"),
        }
    }

    /// Enqueues a task for which an existing one is expected.
    pub(crate) async fn existing(&self, order: NewTask) -> TaskId {
        match self.enqueue(vec![order], NOW).await.as_slice() {
            [Enqueued::Existing(id)] => *id,
            other => panic!("an existing task was expected: {other:?}"),
        }
    }

    pub(crate) async fn claim(&self, request: ClaimRequest) -> Vec<Task> {
        self.first.claim(request).await.expect("claim").tasks
    }

    pub(crate) async fn claimed_ids(&self, request: ClaimRequest) -> Vec<TaskId> {
        self.claim(request)
            .await
            .iter()
            .map(|task| task.id)
            .collect()
    }

    /// Claims the one task that is due.
    pub(crate) async fn claim_one(&self, now: Timestamp) -> Task {
        let mut tasks = self.claim(request(now).limit(2)).await;
        assert_eq!(tasks.len(), 1, "one task is due: {tasks:?}");
        tasks.remove(0)
    }

    /// Enqueues and claims a task.
    pub(crate) async fn running(&self, order: NewTask) -> Task {
        let id = self.add(order).await;
        self.running_of(id).await
    }

    /// Claims the task with this id, which must be the only one that is due.
    pub(crate) async fn running_of(&self, id: TaskId) -> Task {
        let task = self.claim_one(NOW).await;
        assert_eq!(task.id, id);
        task
    }

    pub(crate) async fn settle(&self, change: Change, now: Timestamp) -> Settled {
        let answers = self.first.settle(vec![change], now).await.expect("settle");
        assert_eq!(answers.len(), 1);
        answers[0]
    }

    /// Settles a change that is expected to be applied.
    pub(crate) async fn apply(&self, change: Change, now: Timestamp) {
        assert_eq!(self.settle(change, now).await, Settled::Applied);
    }

    pub(crate) async fn find(&self, id: TaskId) -> Option<Task> {
        let mut tasks = self.first.get(vec![id]).await.expect("get");
        assert_eq!(tasks.len(), 1);
        tasks.remove(0)
    }

    pub(crate) async fn task(&self, id: TaskId) -> Task {
        self.find(id).await.expect("the task exists")
    }
}

/// Returns the answer to a change that does not match the task's status and lease.
pub(crate) fn stale(task: &Task) -> Settled {
    Settled::Stale {
        status: task.status,
        lease: task.lease,
    }
}
