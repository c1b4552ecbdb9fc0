//! The async client: opens a queue, reads and changes its tasks, and closes it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::{PurgeRequest, QueueStats, Stats, TaskFilter};
use omniq_core::{
    Error, ErrorKind, Result, Storage, Task, TaskId, TaskResult, TaskStatus, Timestamp,
};
use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::events::EventStream;
use crate::pools::Pools;
use crate::process::Background;
use crate::waiters::Waiters;
use crate::{AsyncTaskQueue, Settings, connect};

/// A task queue: enqueues tasks, runs them in worker pools, and reads them. Clones are the same queue.
///
/// ```
/// # use std::time::Duration;
/// # use omniq::{Args, AsyncOmniQ, TaskContext, TaskError, call};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> omniq::Result<()> {
/// let omniq = AsyncOmniQ::connect("memory:").await?;
/// let double = |_: TaskContext, args: Args| async move {
///     let (number,): (i64,) = args.bind(&["number"])?;
///     Ok::<_, TaskError>(number * 2)
/// };
/// let pool = omniq.worker().handler("double", double).start().await?;
/// let handle = omniq.enqueue(call("double").arg(21)).await?;
/// assert_eq!(handle.wait(Duration::from_secs(10)).await?, 42);
/// pool.stop().await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct AsyncOmniQ {
    inner: Arc<Inner>,
}

struct Inner {
    queue: AsyncTaskQueue,
    waiters: Waiters,
    pools: Pools,
}

impl AsyncOmniQ {
    /// Opens the storage of a URL with the default settings: `sqlite:///relative.db`,
    /// `sqlite:////absolute.db`, `sqlite::memory:`, `file:relative/folder`, `file:///absolute/folder` or `memory:`.
    ///
    /// # Errors
    ///
    /// As for [`open_storage`](crate::open_storage).
    pub async fn connect(url: &str) -> Result<Self> {
        Self::with_settings(Settings::builder().url(url).build()?).await
    }

    /// Opens the storage that the environment variables name: see [`Settings::from_env`].
    ///
    /// # Errors
    ///
    /// Of kind `Settings` if a variable has a value that can't be used; otherwise as for
    /// [`open_storage`](crate::open_storage).
    pub async fn from_env() -> Result<Self> {
        Self::with_settings(Settings::from_env()?).await
    }

    /// Opens the storage that the settings name.
    ///
    /// # Errors
    ///
    /// As for [`open_storage`](crate::open_storage).
    pub async fn with_settings(settings: Settings) -> Result<Self> {
        let storage = connect::open_storage(&settings).await?;
        Self::with_storage(storage, settings).await
    }

    /// Opens a queue on a storage that is already open. The URL in the settings is ignored.
    ///
    /// # Errors
    ///
    /// None at present.
    pub async fn with_storage(storage: Arc<dyn Storage>, settings: Settings) -> Result<Self> {
        Self::with_clock(storage, settings, Clock::system()).await
    }

    pub(crate) async fn with_clock(
        storage: Arc<dyn Storage>,
        settings: Settings,
        clock: Clock,
    ) -> Result<Self> {
        let queue = AsyncTaskQueue::with_clock(storage, &settings, clock)?;
        let inner = Inner {
            waiters: Waiters::new(Arc::clone(queue.storage()), queue.process()),
            queue,
            pools: Pools::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Returns the task with this id; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Of kind `Storage` if the storage fails; of kind `Closed` if the queue was closed, or in a forked child.
    pub async fn get_task(&self, id: TaskId) -> Result<Option<Task>> {
        self.inner.queue.get_task(id).await
    }

    /// Returns the result of a finished task; `None` if it has not finished, or if there is no such task.
    ///
    /// # Errors
    ///
    /// As for [`get_task`](Self::get_task).
    pub async fn get_result(&self, id: TaskId) -> Result<Option<TaskResult>> {
        self.inner.queue.get_result(id).await
    }

    /// Returns the tasks that match the filter, in the order of their ids, oldest first.
    ///
    /// # Errors
    ///
    /// As for [`get_task`](Self::get_task).
    pub async fn list_tasks(&self, filter: TaskFilter) -> Result<Vec<Task>> {
        self.inner.queue.list_tasks(filter).await
    }

    /// Cancels a pending or running task. Returns `false` if it had already finished: see
    /// [`AsyncTaskQueue::cancel_task`].
    ///
    /// # Errors
    ///
    /// Of kind `NotFound` for an unknown id; otherwise as for [`get_task`](Self::get_task).
    pub async fn cancel_task(&self, id: TaskId) -> Result<bool> {
        self.inner.queue.cancel_task(id).await
    }

    /// Makes a failed or cancelled task pending again. Returns `false` if it is neither: see
    /// [`AsyncTaskQueue::requeue_task`].
    ///
    /// # Errors
    ///
    /// As for [`AsyncTaskQueue::requeue_task`].
    pub async fn requeue_task(&self, id: TaskId) -> Result<bool> {
        self.inner.queue.requeue_task(id).await
    }

    /// Gives a pending task another eta. Returns `false` if it is not pending.
    ///
    /// # Errors
    ///
    /// Of kind `NotFound` for an unknown id; otherwise as for [`get_task`](Self::get_task).
    pub async fn reschedule_task(&self, id: TaskId, eta: impl Into<Timestamp>) -> Result<bool> {
        self.inner.queue.reschedule_task(id, eta).await
    }

    /// Deletes the tasks that finished at least `older_than` ago, whether they succeeded, failed or were cancelled.
    /// Returns how many were deleted.
    ///
    /// # Errors
    ///
    /// As for [`get_task`](Self::get_task). Some tasks may have been deleted before the error.
    pub async fn purge_results(&self, older_than: Duration) -> Result<u64> {
        let finished = TaskStatus::ALL.into_iter().filter(|s| s.is_finished());
        let request = PurgeRequest::new(finished, older_than, self.queue().clock().now());
        self.inner.queue.purge(request).await
    }

    /// Counts the tasks of each queue, and by name the due tasks that no running pool takes. Pools that were started on
    /// this handle or on a clone of it are considered, pools of other processes are not.
    ///
    /// # Errors
    ///
    /// As for [`get_task`](Self::get_task).
    pub async fn stats(&self) -> Result<Stats> {
        let lanes = self.storage().stats(self.queue().clock().now()).await?;
        let mut queues: BTreeMap<String, QueueStats> = BTreeMap::new();
        let mut unhandled: BTreeMap<String, u64> = BTreeMap::new();
        for lane in lanes {
            let due = lane.counts.pending.saturating_sub(lane.counts.scheduled);
            if due > 0 && !self.inner.pools.takes(&lane.queue, &lane.name, lane.format) {
                *unhandled.entry(lane.name).or_default() += due;
            }
            queues.entry(lane.queue).or_default().add(&lane.counts);
        }
        let mut stats = Stats::default();
        stats.queues = queues;
        stats.unhandled = unhandled;
        Ok(stats)
    }

    /// Returns a stream of what happens to tasks from now on through this handle, its clones and their pools.
    pub fn events(&self) -> EventStream {
        self.inner.queue.events().listen()
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Settings {
        self.inner.queue.settings()
    }

    /// Closes the queue for this handle and all its clones: stops the worker pools that were started on it (each
    /// with its grace), then closes the storage, which writes what was sent to it and releases its files and
    /// connections. Later calls, and waits that are still open, end with an error of kind `Closed`; streams of events
    /// end.
    ///
    /// Closing goes on if the future is dropped, by a time limit for example. A handler that awaits it waits for itself,
    /// until the grace of its pool has passed: start it in a task of its own there.
    ///
    /// Dropping the last clone closes the storage too, but may block the thread that drops it for up to a
    /// second. A program that ends in good order calls this instead.
    ///
    /// A storage that was passed to [`with_storage`](Self::with_storage) is closed as well.
    ///
    /// # Errors
    ///
    /// Of kind `Storage` if the storage could not write what was sent to it; of kind `Closed` in a forked child.
    pub async fn close(self) -> Result<()> {
        self.inner.queue.process().check()?;
        let background = Background::of_this_process()?;
        let (sender, closed) = oneshot::channel();
        // In a task of its own, so that it goes on if this future is dropped, even with the handler that awaits it.
        background.clone().spawn(async move {
            self.inner.pools.close().await;
            let result = self.storage().close().await;
            self.inner.queue.events().close();
            drop(self);
            // An error means that nobody waits for the end any more.
            let _ = sender.send(result);
            drop(background);
        });
        closed.await.unwrap_or_else(|_| {
            let text = "the background thread ended before the queue was closed";
            Err(Error::new(ErrorKind::Storage, text))
        })
    }

    pub(crate) fn queue(&self) -> &AsyncTaskQueue {
        &self.inner.queue
    }

    pub(crate) fn storage(&self) -> &Arc<dyn Storage> {
        self.inner.queue.storage()
    }

    pub(crate) fn waiters(&self) -> &Waiters {
        &self.inner.waiters
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.inner.pools
    }
}

impl fmt::Debug for AsyncOmniQ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncOmniQ").finish_non_exhaustive()
    }
}
