//! The handle of an enqueued task: holds its id, and waits for its result.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use omniq_core::storage::Enqueued;
use omniq_core::{Error, ErrorKind, Order, Result, Task, TaskId, TaskResult, TaskStatus};
use serde::de::DeserializeOwned;
use tokio::time::timeout_at;

use crate::error::{no_answer, not_found};
use crate::waiters::Waiting;
use crate::{AsyncOmniQ, clock};

/// The handle of an enqueued task that returns a `T`. It can be cloned, and sent between threads. Dropping it does not
/// affect the task.
pub struct TaskHandle<T> {
    omniq: AsyncOmniQ,
    id: TaskId,
    is_new: bool,
    output: PhantomData<fn() -> T>,
}

impl<T> TaskHandle<T> {
    fn new(omniq: AsyncOmniQ, enqueued: Enqueued) -> Self {
        Self {
            omniq,
            id: enqueued.id(),
            is_new: matches!(enqueued, Enqueued::New(_)),
            output: PhantomData,
        }
    }

    /// Returns the task's id.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Returns whether the enqueue that returned this handle added the task. It is `false` if another unfinished task
    /// held the unique key: then the handle is that task's. It is also `false` for a handle that was made from an id.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Returns the task's status.
    ///
    /// # Errors
    ///
    /// Of kind `NotFound` if the task does not exist any more; of kind `Storage` if the storage fails; of kind `Closed`
    /// if the queue was closed, or in a forked child.
    pub async fn status(&self) -> Result<TaskStatus> {
        let task = self.omniq.get_task(self.id).await?;
        Ok(task.ok_or_else(|| not_found(self.id))?.status)
    }

    /// Cancels the task. Returns `false` if it had already finished: see [`AsyncOmniQ::cancel_task`].
    ///
    /// # Errors
    ///
    /// As for [`status`](Self::status).
    pub async fn cancel(&self) -> Result<bool> {
        self.omniq.cancel_task(self.id).await
    }

    /// Waits until the task has finished, including all its retries, for at most `limit`. Returns the task's result.
    ///
    /// # Errors
    ///
    /// | kind | meaning |
    /// | --- | --- |
    /// | `TaskFailed` | the task failed; [`task_error`](Error::task_error) is the error of the last attempt |
    /// | `TaskCancelled` | the task was cancelled |
    /// | `WaitTimeout` | the task has not finished within `limit`; it stays in the queue or keeps running |
    /// | `NotFound` | the task does not exist any more |
    /// | `Serialization` | the result can't be decoded as a `T` |
    /// | `Storage` | the storage fails: for the last read after `limit`, or the background thread can't be started |
    /// | `Closed` | the queue was closed, or this is a forked child |
    pub async fn wait(&self, limit: Duration) -> Result<T>
    where
        T: DeserializeOwned,
    {
        let waiting = self.omniq.waiters().register(self.id)?;
        match tokio::time::timeout(limit, waiting).await {
            Ok(result) => result?.decode(),
            Err(_) => self.read_after_timeout(limit).await?.decode(),
        }
    }

    /// Waits until all of these tasks have finished, for at most `limit` in total. Returns for each handle, in the order
    /// of the handles, what [`wait`](Self::wait) would return.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use omniq::{AsyncOmniQ, TaskHandle};
    /// #[omniq::task]
    /// async fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> omniq::Result<()> {
    /// # let omniq = AsyncOmniQ::connect("memory:").await?;
    /// # let pool = omniq.worker().task::<square>().start().await?;
    /// let handles = omniq.enqueue_many((1..=3).map(square::with)).await?;
    /// let squares: Vec<_> = TaskHandle::wait_all(&handles, Duration::from_secs(10)).await;
    /// assert_eq!(squares.into_iter().collect::<omniq::Result<Vec<_>>>()?, [1, 4, 9]);
    /// # pool.stop().await?;
    /// # Ok(()) }
    /// ```
    pub async fn wait_all(handles: &[Self], limit: Duration) -> Vec<Result<T>>
    where
        T: DeserializeOwned,
    {
        let deadline = clock::deadline(limit);
        // All waits are registered before the first one is awaited, so that the storage is asked in batches.
        let waits: Vec<_> = handles
            .iter()
            .map(|handle| handle.omniq.waiters().register(handle.id))
            .collect();
        let mut results = Vec::with_capacity(handles.len());
        for waiting in waits {
            results.push(match waiting {
                Ok(waiting) => timeout_at(deadline, waiting).await.ok(),
                Err(error) => Some(Err(error)),
            });
        }
        let timed_out = |(_, result): &(&Self, &Option<_>)| Option::is_none(result);
        let late: Vec<&Self> = handles
            .iter()
            .zip(&results)
            .filter(timed_out)
            .map(|(handle, _)| handle)
            .collect();
        let mut late_results = read_all_after_timeout(&late, limit).await.into_iter();
        results
            .into_iter()
            .filter_map(|result| result.or_else(|| late_results.next()))
            .map(|result| result.and_then(|result| result.decode()))
            .collect()
    }

    /// Waits until one of these tasks has finished, for at most `limit`. Returns its index in `handles`, and what
    /// [`wait`](Self::wait) would return for it.
    ///
    /// # Errors
    ///
    /// Of kind `WaitTimeout` if none has finished in time; of kind `Settings` if `handles` is empty; of kind `Closed` in a
    /// forked child; of kind `Storage` if the background thread can't be started.
    pub async fn wait_first(handles: &[Self], limit: Duration) -> Result<(usize, Result<T>)>
    where
        T: DeserializeOwned,
    {
        let mut waits: Vec<Waiting<'_>> = handles
            .iter()
            .map(|handle| handle.omniq.waiters().register(handle.id))
            .collect::<Result<_>>()?;
        if waits.is_empty() {
            let text = "there is nothing to wait for: the list of handles is empty";
            return Err(Error::new(ErrorKind::Settings, text));
        }
        let first = poll_fn(|cx| {
            for (index, waiting) in waits.iter_mut().enumerate() {
                if let Poll::Ready(result) = Pin::new(waiting).poll(cx) {
                    return Poll::Ready((index, result));
                }
            }
            Poll::Pending
        });
        if let Ok((index, result)) = tokio::time::timeout(limit, first).await {
            return Ok((index, result.and_then(|result| result.decode())));
        }
        let all: Vec<&Self> = handles.iter().collect();
        let late_results = read_all_after_timeout(&all, limit).await;
        for (index, result) in late_results.into_iter().enumerate() {
            match result {
                Err(error) if error.kind() == ErrorKind::WaitTimeout => {}
                result => return Ok((index, result.and_then(|result| result.decode()))),
            }
        }
        let text = format!("none of {} tasks finished within {limit:?}", handles.len());
        Err(Error::new(ErrorKind::WaitTimeout, text))
    }

    /// Reads the task once more after a wait has timed out.
    async fn read_after_timeout(&self, limit: Duration) -> Result<TaskResult> {
        let task = self.omniq.get_task(self.id).await?;
        self.result_of(task, limit)
    }

    /// Returns the result of a finished task; otherwise an error that says why it may not have finished.
    fn result_of(&self, task: Option<Task>, limit: Duration) -> Result<TaskResult> {
        let task = task.ok_or_else(|| not_found(self.id))?;
        task.outcome().ok_or_else(|| {
            let text = format!(
                "the task {} ({}) did not finish within {limit:?}: it is {} and stays in the queue{}",
                self.id,
                task.name,
                task.status,
                self.likely_reason(&task)
            );
            Error::new(ErrorKind::WaitTimeout, text)
        })
    }

    /// Returns the likely reason why a task is still pending, as far as this process knows.
    fn likely_reason(&self, task: &Task) -> String {
        let (queue, name) = (&task.queue, &task.name);
        let taken = self.omniq.pools().takes(queue, name, task.payload.format);
        match task.status {
            TaskStatus::Pending if task.eta > self.omniq.queue().clock().now() => {
                " (it is not due yet)".to_owned()
            }
            TaskStatus::Pending if taken => " (a pool will take it when a seat is free)".to_owned(),
            TaskStatus::Pending => format!(
                " (no running pool of this program takes tasks called {name:?} from the queue {queue:?}: check that \
                 another process has one)"
            ),
            _ => String::new(),
        }
    }
}

/// Reads tasks once more after waits have timed out, with one call for all tasks of the same storage.
async fn read_all_after_timeout<T>(
    handles: &[&TaskHandle<T>],
    limit: Duration,
) -> Vec<Result<TaskResult>> {
    let mut results: Vec<Option<Result<TaskResult>>> = handles.iter().map(|_| None).collect();
    while let Some(first) = results.iter().position(Option::is_none) {
        let storage = handles[first].omniq.storage();
        let same_storage: Vec<usize> = (first..handles.len())
            .filter(|index| results[*index].is_none())
            .filter(|index| Arc::ptr_eq(storage, handles[*index].omniq.storage()))
            .collect();
        let ids = same_storage.iter().map(|index| handles[*index].id);
        let mut tasks = storage.get(ids.collect()).await.map(Vec::into_iter);
        for index in same_storage {
            results[index] = Some(match &mut tasks {
                Ok(tasks) => tasks
                    .next()
                    .ok_or_else(no_answer)
                    .and_then(|task| handles[index].result_of(task, limit)),
                Err(error) => Err(error.clone()),
            });
        }
    }
    results.into_iter().flatten().collect()
}

impl<T> Clone for TaskHandle<T> {
    fn clone(&self) -> Self {
        Self {
            omniq: self.omniq.clone(),
            id: self.id,
            is_new: self.is_new,
            output: PhantomData,
        }
    }
}

impl<T> fmt::Debug for TaskHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle")
            .field("id", &self.id)
            .field("is_new", &self.is_new)
            .finish_non_exhaustive()
    }
}

impl AsyncOmniQ {
    /// Adds a task. While another unfinished task of its name holds its unique key, nothing is added, and the
    /// handle is that task's: see [`TaskHandle::is_new`].
    ///
    /// # Errors
    ///
    /// Of kind `Settings` or `Serialization` for an order that can't be used; of kind `Storage` if the storage
    /// fails; of kind `Closed` if the queue was closed, or in a forked child. If
    /// [`is_unknown`](omniq_core::Error::is_unknown) holds, the task may have been added in spite of the error.
    pub async fn enqueue<T>(&self, order: Order<T>) -> Result<TaskHandle<T>> {
        let enqueued = self.queue().enqueue_one(order).await?;
        Ok(TaskHandle::new(self.clone(), enqueued))
    }

    /// Adds tasks atomically: all, or none if there is an error. For tasks of different types see [`Order::untyped`].
    ///
    /// # Errors
    ///
    /// As for [`enqueue`](Self::enqueue).
    pub async fn enqueue_many<T>(
        &self,
        orders: impl IntoIterator<Item = Order<T>>,
    ) -> Result<Vec<TaskHandle<T>>> {
        let enqueued = self.queue().enqueue_all(orders).await?;
        let handle = |one| TaskHandle::new(self.clone(), one);
        Ok(enqueued.into_iter().map(handle).collect())
    }

    /// Returns the handle of a task that was enqueued before, by this or another process. `T` is the type that the task
    /// returns. The id is not checked here: if no task has it, the handle's other methods return an error of kind `NotFound`.
    pub fn handle<T>(&self, id: TaskId) -> TaskHandle<T> {
        TaskHandle::new(self.clone(), Enqueued::Existing(id))
    }
}
