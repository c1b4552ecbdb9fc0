use std::sync::Arc;

use omniq_core::storage::{ClaimRequest, Enqueued, Settled};
use omniq_core::{Change, NewTask, Storage, Task, TaskId, Timestamp};

use crate::Subject;
use crate::bystanders::Bystanders;
use crate::orders::{NOW, wish};

/// A storage during one question, with its bystanders. Any error of the storage fails the question.
#[derive(Clone)]
pub(crate) struct Scene {
    /// For questions that need more than one storage.
    pub(crate) open: fn() -> Subject,
    /// The handle that most of the question uses.
    pub(crate) here: Arc<dyn Storage>,
    /// Another handle on the same data, where the storage has several.
    pub(crate) there: Arc<dyn Storage>,
    bystanders: Arc<Bystanders>,
    _subject: Arc<Subject>,
}

impl Scene {
    pub(crate) async fn open(open: fn() -> Subject) -> Self {
        let subject = open();
        Self {
            open,
            here: Arc::clone(&subject.storage),
            there: subject.other(),
            bystanders: Arc::new(Bystanders::plant(&*subject.storage).await),
            _subject: Arc::new(subject),
        }
    }

    pub(crate) async fn bystanders_are_unmoved(&self) {
        self.bystanders.are_unmoved(&*self.here).await;
    }

    pub(crate) async fn enqueue(&self, orders: Vec<NewTask>, now: Timestamp) -> Vec<Enqueued> {
        self.here.enqueue(orders, now).await.expect("enqueue")
    }

    /// Enqueues a task that nothing is in the way of.
    pub(crate) async fn add(&self, order: NewTask) -> TaskId {
        match self.enqueue(vec![order], NOW).await.as_slice() {
            [Enqueued::New(id)] => *id,
            other => panic!("one new task was expected: {other:?}"),
        }
    }

    /// Enqueues a task that another is in the way of.
    pub(crate) async fn existing(&self, order: NewTask) -> TaskId {
        match self.enqueue(vec![order], NOW).await.as_slice() {
            [Enqueued::Existing(id)] => *id,
            other => panic!("an existing task was expected: {other:?}"),
        }
    }

    pub(crate) async fn claim(&self, request: ClaimRequest) -> Vec<Task> {
        self.here.claim(request).await.expect("claim").tasks
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
        let mut tasks = self.claim(wish(now).limit(2)).await;
        assert_eq!(tasks.len(), 1, "one task is due: {tasks:?}");
        tasks.remove(0)
    }

    /// A new task, claimed.
    pub(crate) async fn running(&self, order: NewTask) -> Task {
        let id = self.add(order).await;
        let task = self.claim_one(NOW).await;
        assert_eq!(task.id, id);
        task
    }

    pub(crate) async fn settle(&self, change: Change, now: Timestamp) -> Settled {
        let answers = self.here.settle(vec![change], now).await.expect("settle");
        assert_eq!(answers.len(), 1);
        answers[0]
    }

    /// Settles a change that nothing is in the way of.
    pub(crate) async fn done(&self, change: Change, now: Timestamp) {
        assert_eq!(self.settle(change, now).await, Settled::Applied);
    }

    pub(crate) async fn find(&self, id: TaskId) -> Option<Task> {
        let mut tasks = self.here.get(vec![id]).await.expect("get");
        assert_eq!(tasks.len(), 1);
        tasks.remove(0)
    }

    pub(crate) async fn task(&self, id: TaskId) -> Task {
        self.find(id).await.expect("the task exists")
    }
}

/// The answer to a change that met the task as it is here.
pub(crate) fn moved(task: &Task) -> Settled {
    Settled::Stale {
        status: task.status,
        lease: task.lease,
    }
}
