use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::{Error, ErrorKind, Result, TaskId, TaskStatus};
use serde::de::DeserializeOwned;

use super::runtime::Runtime;

/// A handle for an enqueued task; `T` is the type of its result. Dropping it leaves the task alone. It is the twin of
/// [`TaskHandle`](crate::TaskHandle).
pub struct TaskHandle<T> {
    handle: crate::TaskHandle<T>,
    runtime: Arc<Runtime>,
}

impl<T> TaskHandle<T> {
    pub(super) fn new(handle: crate::TaskHandle<T>, runtime: Arc<Runtime>) -> Self {
        Self { handle, runtime }
    }

    /// Whether the enqueue that returned this handle added the task: see
    /// [`TaskHandle::is_new`](crate::TaskHandle::is_new).
    pub fn is_new(&self) -> bool {
        self.handle.is_new()
    }

    /// Returns the task's id.
    pub fn id(&self) -> TaskId {
        self.handle.id()
    }

    /// Returns the status of the task. Fails with kind `NotFound` if the task does not exist any more.
    pub fn status(&self) -> Result<TaskStatus> {
        self.runtime.wait(self.handle.status())?
    }

    /// Cancels the task: see [`AsyncOmniQ::cancel_task`](crate::AsyncOmniQ::cancel_task).
    pub fn cancel(&self) -> Result<bool> {
        self.runtime.wait(self.handle.cancel())?
    }

    /// Waits until the task has finished, at most `limit`, and returns its result: see
    /// [`TaskHandle::wait`](crate::TaskHandle::wait).
    pub fn wait(&self, limit: Duration) -> Result<T>
    where
        T: DeserializeOwned,
    {
        self.runtime.wait(self.handle.wait(limit))?
    }

    /// Waits until all of these have finished: see [`TaskHandle::wait_all`](crate::TaskHandle::wait_all).
    /// If the call itself is refused, each answer is that error.
    pub fn wait_all(handles: &[Self], limit: Duration) -> Vec<Result<T>>
    where
        T: DeserializeOwned,
    {
        let Some(first) = handles.first() else {
            return Vec::new();
        };
        let twins = twins(handles);
        let waiting = crate::TaskHandle::wait_all(&twins, limit);
        match first.runtime.wait(waiting) {
            Ok(results) => results,
            Err(error) => handles.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    /// Waits until one of these has finished: see [`TaskHandle::wait_first`](crate::TaskHandle::wait_first).
    pub fn wait_first(handles: &[Self], limit: Duration) -> Result<(usize, Result<T>)>
    where
        T: DeserializeOwned,
    {
        let Some(first) = handles.first() else {
            let text = "there is nothing to wait for: the list of handles is empty";
            return Err(Error::new(ErrorKind::Settings, text));
        };
        let twins = twins(handles);
        let waiting = crate::TaskHandle::wait_first(&twins, limit);
        first.runtime.wait(waiting)?
    }
}

fn twins<T>(handles: &[TaskHandle<T>]) -> Vec<crate::TaskHandle<T>> {
    handles.iter().map(|one| one.handle.clone()).collect()
}

impl<T> Clone for TaskHandle<T> {
    fn clone(&self) -> Self {
        Self::new(self.handle.clone(), Arc::clone(&self.runtime))
    }
}

impl<T> fmt::Debug for TaskHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}
