//! What an enqueue gives back.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use omniq_core::{Error, ErrorKind, Result, TaskId, TaskResult, TaskStatus};
use serde::de::DeserializeOwned;

use crate::AsyncOmniQ;
use crate::error::not_found;

/// A task that was enqueued; `T` is what it returns. It can be cloned, sent and kept; dropping it leaves
/// the task alone.
pub struct TaskHandle<T> {
    omniq: AsyncOmniQ,
    id: TaskId,
    output: PhantomData<fn() -> T>,
}

impl<T> TaskHandle<T> {
    pub(crate) fn new(omniq: AsyncOmniQ, id: TaskId) -> Self {
        Self {
            omniq,
            id,
            output: PhantomData,
        }
    }

    /// The task's id.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Where the task stands; an error of kind `NotFound` if it is gone.
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
        let waiting = self.omniq.waiters().wait(self.id);
        match tokio::time::timeout(limit, waiting).await {
            Ok(result) => result?.decode(),
            Err(_) => self.last_look(limit).await?.decode(),
        }
    }

    async fn last_look(&self, limit: Duration) -> Result<TaskResult> {
        let task = self.omniq.get_task(self.id).await?;
        let task = task.ok_or_else(|| not_found(self.id))?;
        task.outcome().ok_or_else(|| {
            let hint = match (task.status, task.attempts) {
                (TaskStatus::Pending, 0) => " (does a running pool have a handler of this name?)",
                _ => "",
            };
            let text = format!(
                "the task {} ({}) did not finish within {limit:?}: it is {} and stays in the queue{hint}",
                self.id, task.name, task.status
            );
            Error::new(ErrorKind::WaitTimeout, text)
        })
    }
}

impl<T> Clone for TaskHandle<T> {
    fn clone(&self) -> Self {
        Self::new(self.omniq.clone(), self.id)
    }
}

impl<T> fmt::Debug for TaskHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
