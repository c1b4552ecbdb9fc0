//! The engine below clients and pools: it adds, reads and changes tasks. The rules of `omniq-core` decide every
//! change.

use std::fmt;
use std::sync::{Arc, OnceLock};

use omniq_core::storage::{ClaimFilter, PurgeRequest, Settled, TaskFilter};
use omniq_core::{Change, OwnerId, Result, Storage, Task, TaskId, TaskResult};

use crate::clock::Clock;
use crate::error::no_answer;
use crate::events::Events;
use crate::poller::Poller;
use crate::process::Background;
use crate::process::ForkGuard;
use crate::process::Process;
use crate::seat_number::SeatNumber;
use crate::{Settings, process};

/// A task queue without workers, for programs that write their own loop. Clones are the same queue.
///
/// A complete worker loop:
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use omniq::{AsyncTaskQueue, MemoryStorage, Parameter, Settings, TaskError, call};
/// const PARAMETERS: &[Parameter] = &[Parameter::new("number")];
///
/// async fn work(queue: &AsyncTaskQueue) -> omniq::Result<()> {
///     while let Some(claim) = queue.dequeue(&["sums"], Duration::from_millis(50)).await? {
///         let outcome = match claim.name.as_str() {
///             "double" => claim.payload.bind(PARAMETERS).map(|(n,): (i64,)| n * 2),
///             other => Err(TaskError::fatal(format!("no handler for {other:?}"))),
///         };
///         match outcome {
///             Ok(value) => queue.complete_task(claim, value).await?,
///             Err(error) => queue.fail_task(claim, error).await?,
///         };
///     }
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> omniq::Result<()> {
/// let queue = AsyncTaskQueue::new(Arc::new(MemoryStorage::new()), &Settings::default())?;
/// let id = queue.enqueue(call("double").arg(21).queue("sums")).await?;
/// work(&queue).await?;
/// let result = queue.get_result(id).await?.expect("it has run");
/// assert_eq!(result.decode::<i64>()?, 42);
/// # Ok(()) }
/// ```
///
/// A [`Claim`](crate::Claim) renews its lease by itself. If it is dropped before its outcome is recorded, the task is
/// released.
#[derive(Clone)]
pub struct AsyncTaskQueue {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Arc<dyn Storage>,
    settings: Settings,
    clock: Clock,
    process: Process,
    owner: OwnerId,
    events: Events,
    /// Set by the first claim.
    background: OnceLock<Arc<Background>>,
}

impl AsyncTaskQueue {
    /// Opens a queue on a storage. The queue uses the storage's clock, if it has one, and this machine's otherwise.
    ///
    /// # Errors
    ///
    /// None at present.
    pub fn new(storage: Arc<dyn Storage>, settings: &Settings) -> Result<Self> {
        Self::with_clock(storage, settings, Clock::system())
    }

    pub(crate) fn with_clock(
        storage: Arc<dyn Storage>,
        settings: &Settings,
        clock: Clock,
    ) -> Result<Self> {
        let storage: Arc<dyn Storage> = Arc::new(ForkGuard::new(storage));
        let clock = clock.or_of(&storage);
        let inner = Inner {
            storage,
            settings: settings.clone(),
            process: Process::current(),
            owner: process::this_process(),
            events: Events::new(clock.clone()),
            clock,
            background: OnceLock::new(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        &self.inner.storage
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    pub(crate) fn events(&self) -> &Events {
        &self.inner.events
    }

    /// Returns the process that the queue belongs to.
    pub(crate) fn process(&self) -> Process {
        self.inner.process
    }

    /// Returns the background thread, and starts it if it is not running.
    pub(crate) fn background(&self) -> Result<&Background> {
        match self.inner.background.get() {
            Some(background) => Ok(background),
            None => {
                let background = Background::of_this_process()?;
                Ok(self.inner.background.get_or_init(|| background))
            }
        }
    }

    /// Records in the storage that the handler of a claimed task starts.
    pub(crate) fn mark_started(&self, seat: &SeatNumber, task: &Task) {
        let owner = self.inner.owner;
        self.storage().mark_started(owner, seat.get(), task.lease());
    }

    /// Returns a poller for due tasks that the filter takes.
    pub(crate) fn poller(&self, filter: Arc<ClaimFilter>) -> Poller {
        let settings = self.settings();
        let (storage, clock) = (Arc::clone(self.storage()), self.clock().clone());
        let (lease, poll) = (settings.lease(), settings.poll_interval());
        Poller::new(storage, clock, self.inner.owner, filter, lease, poll)
    }

    /// Writes one change and returns the storage's answer.
    pub(crate) async fn write(&self, change: Change) -> Result<Settled> {
        let answers = self
            .storage()
            .settle(vec![change], self.clock().now())
            .await?;
        answers.first().copied().ok_or_else(no_answer)
    }

    /// Returns the task with this id; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Of kind `Storage` if the storage fails; of kind `Closed` if the queue was closed, or in a forked child.
    pub async fn get_task(&self, id: TaskId) -> Result<Option<Task>> {
        let found = self.storage().get(vec![id]).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// Returns the result of a finished task; `None` if it has not finished, or if there is no such task.
    ///
    /// # Errors
    ///
    /// As for [`get_task`](Self::get_task).
    pub async fn get_result(&self, id: TaskId) -> Result<Option<TaskResult>> {
        Ok(self.get_task(id).await?.and_then(|task| task.outcome()))
    }

    /// Returns the tasks that match the filter, in the order of their ids, oldest first.
    ///
    /// # Errors
    ///
    /// As for [`get_task`](Self::get_task).
    pub async fn list_tasks(&self, filter: TaskFilter) -> Result<Vec<Task>> {
        self.storage().list_tasks(filter).await
    }

    /// Deletes the finished tasks that match the request, batch by batch. Returns how many were deleted.
    pub(crate) async fn purge(&self, request: PurgeRequest) -> Result<u64> {
        let mut total = 0;
        loop {
            match self.storage().purge(request.clone()).await? {
                0 => return Ok(total),
                deleted => total += deleted,
            }
            tokio::task::yield_now().await;
        }
    }
}

impl fmt::Debug for AsyncTaskQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncTaskQueue").finish_non_exhaustive()
    }
}
