use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::{Stats, TaskFilter};
use omniq_core::{Order, Result, Storage, Task, TaskId, TaskResult, Timestamp};

use super::inside::may_block;
use super::runtime::Runtime;
use super::{EventStream, TaskHandle, WorkerBuilder};
use crate::{AsyncOmniQ, Settings};

/// A task queue for programs without async. Clones are the same queue.
///
/// See [`blocking`](crate::blocking) for the threads on which it works, and [`AsyncOmniQ`] for what its methods do. Each
/// call may also fail with kind [`InsideRuntime`](crate::ErrorKind::InsideRuntime), on a thread that runs async tasks, or
/// with kind [`Closed`](crate::ErrorKind::Closed), in a process that was forked after `connect`.
///
/// ```
/// # use std::time::Duration;
/// # use omniq::{Args, OmniQ, TaskContext, TaskError, call};
/// # fn main() -> omniq::Result<()> {
/// let omniq = OmniQ::connect("memory:")?;
/// let double = |_: TaskContext, args: Args| async move {
///     let (number,): (i64,) = args.bind(&["number"])?;
///     Ok::<_, TaskError>(number * 2)
/// };
/// let pool = omniq.worker().handler("double", double).start()?;
/// let handle = omniq.enqueue(call("double").arg(21))?;
/// assert_eq!(handle.wait(Duration::from_secs(10))?, 42);
/// pool.stop()?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct OmniQ {
    // This field is dropped before the runtime.
    omniq: AsyncOmniQ,
    runtime: Arc<Runtime>,
}

impl OmniQ {
    /// Opens the storage of a URL with the default settings: see [`AsyncOmniQ::connect`].
    pub fn connect(url: &str) -> Result<Self> {
        Self::open(AsyncOmniQ::connect(url))
    }

    /// Opens the storage that the environment names: see [`Settings::from_env`].
    pub fn from_env() -> Result<Self> {
        Self::open(AsyncOmniQ::from_env())
    }

    /// Opens the storage that the settings name.
    pub fn with_settings(settings: Settings) -> Result<Self> {
        Self::open(AsyncOmniQ::with_settings(settings))
    }

    /// Uses a storage that is already open; the URL in the settings is ignored.
    pub fn with_storage(storage: Arc<dyn Storage>, settings: Settings) -> Result<Self> {
        Self::open(AsyncOmniQ::with_storage(storage, settings))
    }

    pub(crate) fn open(opening: impl Future<Output = Result<AsyncOmniQ>>) -> Result<Self> {
        // The check comes first, so that no threads are started for a refused call.
        may_block()?;
        let runtime = Runtime::of_this_process()?;
        let omniq = runtime.wait(opening)??;
        Ok(Self { omniq, runtime })
    }

    /// Adds a task: see [`AsyncOmniQ::enqueue`].
    pub fn enqueue<T>(&self, order: Order<T>) -> Result<TaskHandle<T>> {
        let handle = self.runtime.wait(self.omniq.enqueue(order))??;
        Ok(TaskHandle::new(handle, Arc::clone(&self.runtime)))
    }

    /// Adds all of these tasks, or none if there is an error: see [`AsyncOmniQ::enqueue_many`].
    pub fn enqueue_many<T>(
        &self,
        orders: impl IntoIterator<Item = Order<T>>,
    ) -> Result<Vec<TaskHandle<T>>> {
        let handles = self.runtime.wait(self.omniq.enqueue_many(orders))??;
        let twin = |handle| TaskHandle::new(handle, Arc::clone(&self.runtime));
        Ok(handles.into_iter().map(twin).collect())
    }

    /// Returns the task with this id, or `None` if there is none.
    pub fn get_task(&self, id: TaskId) -> Result<Option<Task>> {
        self.runtime.wait(self.omniq.get_task(id))?
    }

    /// Returns the outcome of a task; `None` if it has not finished, or if there is no such task.
    pub fn get_result(&self, id: TaskId) -> Result<Option<TaskResult>> {
        self.runtime.wait(self.omniq.get_result(id))?
    }

    /// Returns the tasks that match a filter, in the order of their ids.
    pub fn list_tasks(&self, filter: TaskFilter) -> Result<Vec<Task>> {
        self.runtime.wait(self.omniq.list_tasks(filter))?
    }

    /// Cancels a pending or running task: see [`AsyncOmniQ::cancel_task`].
    pub fn cancel_task(&self, id: TaskId) -> Result<bool> {
        self.runtime.wait(self.omniq.cancel_task(id))?
    }

    /// Makes a failed or cancelled task pending again: see [`AsyncOmniQ::requeue_task`].
    pub fn requeue_task(&self, id: TaskId) -> Result<bool> {
        self.runtime.wait(self.omniq.requeue_task(id))?
    }

    /// Changes the eta of a pending task: see [`AsyncOmniQ::reschedule_task`].
    pub fn reschedule_task(&self, id: TaskId, eta: impl Into<Timestamp>) -> Result<bool> {
        self.runtime.wait(self.omniq.reschedule_task(id, eta))?
    }

    /// Deletes all tasks that finished at least `older_than` ago, whatever their outcome; returns how many.
    pub fn purge_results(&self, older_than: Duration) -> Result<u64> {
        self.runtime.wait(self.omniq.purge_results(older_than))?
    }

    /// Counts the tasks by queue, and those that no running pool handles: see [`AsyncOmniQ::stats`].
    pub fn stats(&self) -> Result<Stats> {
        self.runtime.wait(self.omniq.stats())?
    }

    /// Returns a handle for a task that was enqueued before, by any process. `T` is the type of its result.
    pub fn handle<T>(&self, id: TaskId) -> TaskHandle<T> {
        TaskHandle::new(self.omniq.handle(id), Arc::clone(&self.runtime))
    }

    /// Subscribes to events of this queue, its clones and their pools, from now on.
    pub fn events(&self) -> EventStream {
        EventStream::new(self.omniq.events(), Arc::clone(&self.runtime))
    }

    /// Returns a builder for a worker pool.
    pub fn worker(&self) -> WorkerBuilder {
        WorkerBuilder::new(self.omniq.worker(), Arc::clone(&self.runtime))
    }

    /// Closes the queue for this handle and all its clones: see [`AsyncOmniQ::close`].
    pub fn close(self) -> Result<()> {
        self.runtime.wait(self.omniq.close())?
    }

    /// Returns the settings of this queue.
    pub fn settings(&self) -> &Settings {
        self.omniq.settings()
    }
}

impl fmt::Debug for OmniQ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OmniQ").finish_non_exhaustive()
    }
}
