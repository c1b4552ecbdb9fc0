//! The handle of an enqueued task: its id, and waiting for its result.

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

/// A task that was enqueued; `T` is what it returns. It can be cloned, sent and kept; dropping it leaves
/// the task alone.
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

    /// The task's id.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Whether the enqueue that returned this handle added the task. `false` if another unfinished task held the
    /// unique key: the handle is that task's then. `false` also for a handle that was made from an id.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Returns the task's status.
    ///
    /// # Errors
    ///
    /// Of kind `NotFound` if there is no such task any more.
    pub async fn status(&self) -> Result<TaskStatus> {
        let task = self.omniq.get_task(self.id).await?;
        Ok(task.ok_or_else(|| not_found(self.id))?.status)
    }

    /// Cancels the task: see [`AsyncOmniQ::cancel_task`].
    pub async fn cancel(&self) -> Result<bool> {
        self.omniq.cancel_task(self.id).await
    }

    /// Waits until the task has finished for good, at most `limit`, and gives what it returned.
    ///
    /// Errors by kind: `TaskFailed` with the [`task_error`](Error::task_error) of the last attempt;
    /// `TaskCancelled`; `WaitTimeout` if it has not finished in time, which leaves it running;
    /// `NotFound`; `Serialization` if what it returned is no `T`.
    pub async fn wait(&self, limit: Duration) -> Result<T>
    where
        T: DeserializeOwned,
    {
        let waiting = self.omniq.waiters().ask(self.id)?;
        match tokio::time::timeout(limit, waiting).await {
            Ok(result) => result?.decode(),
            Err(_) => self.last_look(limit).await?.decode(),
        }
    }

    /// Waits until all of these have finished, at most `limit` in all; what each one returned, in their
    /// order, or its error as from [`wait`](Self::wait).
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
        // All are asked for before the first is waited for.
        let waits: Vec<_> = handles
            .iter()
            .map(|one| one.omniq.waiters().ask(one.id))
            .collect();
        let mut results = Vec::with_capacity(handles.len());
        for waiting in waits {
            results.push(match waiting {
                Ok(waiting) => timeout_at(deadline, waiting).await.ok(),
                Err(error) => Some(Err(error)),
            });
        }
        let missing = |(_, result): &(&Self, &Option<_>)| Option::is_none(result);
        let late: Vec<&Self> = handles
            .iter()
            .zip(&results)
            .filter(missing)
            .map(|(one, _)| one)
            .collect();
        let mut looks = look_at(&late, limit).await.into_iter();
        results
            .into_iter()
            .filter_map(|result| result.or_else(|| looks.next()))
            .map(|result| result.and_then(|result| result.decode()))
            .collect()
    }

    /// Waits until one of these has finished, at most `limit`: which one (its place in `handles`), and what
    /// it returned, or its error as from [`wait`](Self::wait).
    ///
    /// Errors by kind: `WaitTimeout` if none has finished in time; `Settings` if there are no handles.
    pub async fn wait_first(handles: &[Self], limit: Duration) -> Result<(usize, Result<T>)>
    where
        T: DeserializeOwned,
    {
        let asked = handles.iter().map(|one| one.omniq.waiters().ask(one.id));
        let mut waits: Vec<Waiting<'_>> = asked.collect::<Result<_>>()?;
        if waits.is_empty() {
            let text = "there is nothing to wait for: the list of handles is empty";
            return Err(Error::new(ErrorKind::Settings, text));
        }
        let first = poll_fn(|cx| {
            for (at, waiting) in waits.iter_mut().enumerate() {
                if let Poll::Ready(result) = Pin::new(waiting).poll(cx) {
                    return Poll::Ready((at, result));
                }
            }
            Poll::Pending
        });
        if let Ok((at, result)) = tokio::time::timeout(limit, first).await {
            return Ok((at, result.and_then(|result| result.decode())));
        }
        let all: Vec<&Self> = handles.iter().collect();
        for (at, look) in look_at(&all, limit).await.into_iter().enumerate() {
            match look {
                Err(error) if error.kind() == ErrorKind::WaitTimeout => {}
                look => return Ok((at, look.and_then(|result| result.decode()))),
            }
        }
        let text = format!("none of {} tasks finished within {limit:?}", handles.len());
        Err(Error::new(ErrorKind::WaitTimeout, text))
    }

    async fn last_look(&self, limit: Duration) -> Result<TaskResult> {
        let task = self.omniq.get_task(self.id).await?;
        self.outcome(task, limit)
    }

    /// How a task has ended, or why not.
    fn outcome(&self, task: Option<Task>, limit: Duration) -> Result<TaskResult> {
        let task = task.ok_or_else(|| not_found(self.id))?;
        task.outcome().ok_or_else(|| {
            let text = format!(
                "the task {} ({}) did not finish within {limit:?}: it is {} and stays in the queue{}",
                self.id,
                task.name,
                task.status,
                self.hint(&task)
            );
            Error::new(ErrorKind::WaitTimeout, text)
        })
    }

    /// What may keep a task waiting, as far as this program knows.
    fn hint(&self, task: &Task) -> String {
        let (queue, name) = (&task.queue, &task.name);
        let taken = self.omniq.pools().takes(queue, name, task.payload.format);
        match task.status {
            TaskStatus::Pending if task.eta > self.omniq.queue().clock().now() => {
                " (it is not due yet)".to_owned()
            }
            TaskStatus::Pending if taken => " (a pool takes it once a seat is free)".to_owned(),
            TaskStatus::Pending => format!(
                " (no running pool of this program takes tasks called {name:?} from the queue {queue:?}: is there \
                 one elsewhere?)"
            ),
            _ => String::new(),
        }
    }
}

/// Where each of these stands, with one question for all of a storage.
async fn look_at<T>(handles: &[&TaskHandle<T>], limit: Duration) -> Vec<Result<TaskResult>> {
    let mut looks: Vec<Option<Result<TaskResult>>> = handles.iter().map(|_| None).collect();
    while let Some(first) = looks.iter().position(Option::is_none) {
        let storage = handles[first].omniq.storage();
        let same: Vec<usize> = (first..handles.len())
            .filter(|at| looks[*at].is_none())
            .filter(|at| Arc::ptr_eq(storage, handles[*at].omniq.storage()))
            .collect();
        let found = storage
            .get(same.iter().map(|at| handles[*at].id).collect())
            .await;
        let mut found = found.map(Vec::into_iter);
        for at in same {
            looks[at] = Some(match &mut found {
                Ok(found) => found
                    .next()
                    .ok_or_else(no_answer)
                    .and_then(|task| handles[at].outcome(task, limit)),
                Err(error) => Err(error.clone()),
            });
        }
    }
    looks.into_iter().flatten().collect()
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
    /// fails. If [`is_unknown`](omniq_core::Error::is_unknown) holds, the task may have been added all the same.
    pub async fn enqueue<T>(&self, order: Order<T>) -> Result<TaskHandle<T>> {
        let enqueued = self.queue().enqueue_one(order).await?;
        Ok(TaskHandle::new(self.clone(), enqueued))
    }

    /// Adds tasks: all, or none if there is an error. For tasks of different types see [`Order::untyped`].
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

    /// Returns the handle of a task that was enqueued before, here or elsewhere. `T` is what it returns.
    pub fn handle<T>(&self, id: TaskId) -> TaskHandle<T> {
        TaskHandle::new(self.clone(), Enqueued::Existing(id))
    }
}
