//! A claimed task, for programs that write their own worker loop.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use std::time::Duration;

use omniq_core::storage::{ClaimFilter, Hold};
use omniq_core::{Change, Format, Outcome, Result, Task, TaskError, TaskId};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::events::EventKind;
use crate::process::Background;
use crate::result_payload::{HandlerResult, check_size, encode_result};
use crate::seat_number::SeatNumber;
use crate::settlement::{Answers, Recorded, Settlements, WriteChanges, record};
use crate::{AsyncTaskQueue, clock};

/// A claimed task, to be passed to [`complete_task`](AsyncTaskQueue::complete_task),
/// [`fail_task`](AsyncTaskQueue::fail_task) or [`release_task`](AsyncTaskQueue::release_task).
///
/// It may be completed in a transaction of your own (`SqliteStorage::complete_in`). After the commit, pass it to
/// [`complete_task`](AsyncTaskQueue::complete_task) as usual, or drop it.
///
/// A claim renews its lease by itself. Dropping it releases the task: the attempt is not counted.
pub struct Claim {
    task: Arc<Task>,
    queue: AsyncTaskQueue,
    runtime: Handle,
    renewal: JoinHandle<()>,
    open: bool,
    _seat: SeatNumber,
}

impl Claim {
    /// Starts to renew the lease of a task that was claimed just now. Must be called inside a runtime.
    fn new(queue: AsyncTaskQueue, background: &Background, task: Task) -> Self {
        let runtime = Handle::current();
        let task = Arc::new(task);
        let seat = SeatNumber::take();
        queue.mark_started(&seat, &task);
        let renewal = background.spawn(renew(queue.clone(), Arc::clone(&task)));
        Self {
            task,
            queue,
            runtime,
            renewal,
            open: true,
            _seat: seat,
        }
    }

    /// Returns the task's id.
    pub fn id(&self) -> TaskId {
        self.task.id
    }

    /// Returns the lease number of this claim. It rises with each claim of the task, so that it can fence writes to other
    /// systems.
    pub fn lease(&self) -> u64 {
        self.task.lease
    }

    pub(crate) fn queue(&self) -> &AsyncTaskQueue {
        &self.queue
    }

    /// Marks the outcome as recorded, so that dropping the claim releases nothing.
    fn settled(mut self) {
        self.open = false;
    }
}

/// Renews the lease every third of its duration, until it is lost or the claim is dropped.
async fn renew(queue: AsyncTaskQueue, task: Arc<Task>) {
    let lease_for = queue.settings().lease();
    loop {
        tokio::time::sleep(lease_for / 3).await;
        match queue.storage().renew(vec![task.lease()], lease_for).await {
            Ok(answers) if answers.first() == Some(&Hold::Lost) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(task = %task.id, error = %error.chain(), "a claim could not be renewed")
            }
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
        // A forked child has neither the renewal task nor the lease.
        let is_own_process = self.queue.process().is_this();
        if is_own_process {
            self.renewal.abort();
        }
        if !self.open || !is_own_process {
            return;
        }
        let (queue, task) = (self.queue.clone(), Arc::clone(&self.task));
        self.runtime.spawn(async move {
            if let Err(error) = settle_task(&queue, &task, Outcome::Released).await {
                tracing::warn!(task = %task.id, error = %error.chain(), "a dropped claim could not be released");
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

impl AsyncTaskQueue {
    /// Claims the next due task of these queues (of every queue, if none is named), whatever its name, and
    /// waits at most `wait` for one. Returns `None` if there was none.
    ///
    /// Tasks in a format that this build can't read stay pending. Dropping the future is safe: a task that it may have
    /// claimed is released.
    ///
    /// # Errors
    ///
    /// Of kind `Storage` if the storage fails or the background thread can't be started; of kind `Closed` if the queue
    /// was closed, or in a forked child.
    pub async fn dequeue(&self, queues: &[&str], wait: Duration) -> Result<Option<Claim>> {
        let mut filter = ClaimFilter::any().formats(Format::READABLE.iter().copied());
        if !queues.is_empty() {
            filter = filter.queues(queues.iter().copied());
        }
        self.process().check()?;
        let background = self.background()?;
        let mut poller = self.poller(Arc::new(filter));
        let started = clock::instant();
        loop {
            let left = wait.saturating_sub(started.elapsed());
            if let Some(task) = poller.claim(1, tokio::time::sleep(left)).await?.pop() {
                self.events().notify_of(&task, EventKind::Started);
                return Ok(Some(Claim::new(self.clone(), background, task)));
            }
            if left.is_zero() {
                return Ok(None);
            }
        }
    }

    /// Records the success of a claimed task. Returns `false` if the claim was no longer valid, because the task
    /// was cancelled, taken over or purged: then nothing was written.
    ///
    /// A value that can't be encoded, or is larger than the limit, fails the task with an error of type
    /// `result`.
    ///
    /// # Errors
    ///
    /// Of kind `Storage` if the storage fails; of kind `Closed` if the queue was closed, or in a forked child. The claim
    /// is then dropped, and the task is released. If the storage can't write that either, the task is taken over once
    /// its lease has expired.
    pub async fn complete_task(&self, claim: Claim, value: impl Serialize) -> Result<bool> {
        let outcome = match self.encode_result(claim.payload.format, &value) {
            Ok(result) => Outcome::Succeeded {
                result,
                then: Vec::new(),
            },
            Err(error) => Outcome::Failed(error),
        };
        self.settle_claim(claim, outcome).await
    }

    /// Records that the attempt of a claimed task failed. The error and the number of attempts that are left decide
    /// whether the task is tried again. Returns `false` if the claim was no longer valid.
    ///
    /// # Errors
    ///
    /// As for [`complete_task`](Self::complete_task).
    pub async fn fail_task(&self, claim: Claim, error: TaskError) -> Result<bool> {
        self.settle_claim(claim, Outcome::Failed(error)).await
    }

    /// Releases a claimed task, as if it had not been claimed. Returns `false` if the claim was no longer valid.
    ///
    /// # Errors
    ///
    /// As for [`complete_task`](Self::complete_task).
    pub async fn release_task(&self, claim: Claim) -> Result<bool> {
        self.settle_claim(claim, Outcome::Released).await
    }

    pub(crate) fn encode_result<T: Serialize + ?Sized>(
        &self,
        format: Format,
        value: &T,
    ) -> HandlerResult {
        let result = encode_result(format, value)?;
        check_size(&result, self.settings().max_payload())?;
        Ok(result)
    }

    async fn settle_claim(&self, claim: Claim, outcome: Outcome) -> Result<bool> {
        let recorded = settle_task(self, &claim, outcome).await?;
        claim.settled();
        Ok(recorded)
    }
}

/// Records one outcome. Returns whether the storage now has this outcome.
async fn settle_task(queue: &AsyncTaskQueue, task: &Task, outcome: Outcome) -> Result<bool> {
    let is_success = matches!(outcome, Outcome::Succeeded { .. });
    let mut settlements = Settlements::default();
    settlements.add(queue, task, outcome)?;
    let recorded = record(queue, &mut WriteOnce(queue), &settlements).await?;
    Ok(match recorded.first() {
        Some(Recorded::Written) => true,
        Some(Recorded::SucceededBefore) => is_success,
        _ => false,
    })
}

/// Writes changes once, without a retry.
struct WriteOnce<'a>(&'a AsyncTaskQueue);

impl WriteChanges for WriteOnce<'_> {
    async fn write(&mut self, changes: &[Change]) -> Result<Answers> {
        let now = self.0.clock().now();
        let settled = self.0.storage().settle(changes.to_vec(), now).await?;
        Ok(Answers {
            settled,
            repeated: false,
        })
    }
}
