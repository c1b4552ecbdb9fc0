//! A task in somebody's hands.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use omniq_core::storage::Hold;
use omniq_core::{Outcome, Task, TaskId};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::AsyncTaskQueue;
use crate::process::Background;
use crate::seat_number::SeatNumber;

/// A claimed task, to be handed to [`complete_task`](AsyncTaskQueue::complete_task),
/// [`fail_task`](AsyncTaskQueue::fail_task) or [`release_task`](AsyncTaskQueue::release_task).
///
/// It may be completed in a transaction of your own (`SqliteStorage::complete_in`); hand it to
/// [`complete_task`](AsyncTaskQueue::complete_task) after the commit all the same, or drop it.
///
/// It renews its lease by itself. Dropped, it is released: the attempt is refunded.
pub struct Claim {
    task: Arc<Task>,
    queue: AsyncTaskQueue,
    runtime: Handle,
    renewal: JoinHandle<()>,
    open: bool,
    _seat: SeatNumber,
}

impl Claim {
    /// Takes care of a task that was claimed just now. Called inside a runtime.
    pub(crate) fn new(queue: AsyncTaskQueue, heart: &Background, task: Task) -> Self {
        let runtime = Handle::current();
        let task = Arc::new(task);
        let seat = SeatNumber::take();
        queue.note_start(&seat, &task);
        let renewal = heart.spawn(renew(queue.clone(), Arc::clone(&task)));
        Self {
            task,
            queue,
            runtime,
            renewal,
            open: true,
            _seat: seat,
        }
    }

    /// The task.
    pub fn id(&self) -> TaskId {
        self.task.id
    }

    /// The number of this claim: it only goes up with each claim of the task.
    pub fn lease(&self) -> u64 {
        self.task.lease
    }

    pub(crate) fn queue(&self) -> &AsyncTaskQueue {
        &self.queue
    }

    /// Its end is recorded: nothing is left to release.
    pub(crate) fn settled(mut self) {
        self.open = false;
    }
}

/// Prolongs the lease three times in its length, until it is lost or the claim ends.
async fn renew(queue: AsyncTaskQueue, task: Arc<Task>) {
    let lease_for = queue.settings().lease();
    loop {
        tokio::time::sleep(lease_for / 3).await;
        match queue.storage().renew(vec![task.lease()], lease_for).await {
            Ok(answers) if answers.first() == Some(&Hold::Lost) => return,
            Ok(_) => {}
            Err(error) => tracing::warn!(task = %task.id, %error, "a claim could not be renewed"),
        }
    }
}

impl Deref for Claim {
    type Target = Task;

    fn deref(&self) -> &Task {
        &self.task
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let here = self.queue.process().is_this();
        if here {
            self.renewal.abort();
        }
        if !self.open || !here {
            return;
        }
        let (queue, task) = (self.queue.clone(), Arc::clone(&self.task));
        self.runtime.spawn(async move {
            if let Err(error) = queue.settle_task(&task, Outcome::Released).await {
                tracing::warn!(task = %task.id, %error, "a dropped claim could not be released");
            }
        });
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("id", &self.task.id)
            .field("name", &self.task.name)
            .field("lease", &self.task.lease)
            .finish_non_exhaustive()
    }
}
