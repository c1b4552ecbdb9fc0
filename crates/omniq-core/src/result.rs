//! How a task ended.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Payload, Result, TaskError, TaskId, TaskStatus, Timestamp};

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskResult {
    /// The task.
    pub task_id: TaskId,
    /// `Success`, `Failed` or `Cancelled`.
    pub status: TaskStatus,
    /// The value that the handler returned, if the task succeeded.
    pub value: Option<Payload>,
    /// The error of the last attempt, if the task failed.
    pub error: Option<TaskError>,
    /// How many attempts it took.
    pub attempts: u32,
    /// When it finished.
    pub finished_at: Timestamp,
}

impl TaskResult {
    /// Deserializes the value that the handler returned.
    ///
    /// # Errors
    ///
    /// Of kind [`TaskFailed`](ErrorKind::TaskFailed) or [`TaskCancelled`](ErrorKind::TaskCancelled), if the task
    /// did not succeed, and of kind [`Serialization`](ErrorKind::Serialization), if the value is not a `T`.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        match (self.status, &self.value) {
            (TaskStatus::Success, Some(value)) => value.decode().map_err(|e| {
                e.prefixed(format_args!(
                    "the result of task {} can't be read",
                    self.task_id
                ))
            }),
            (TaskStatus::Cancelled, _) => {
                let text = format!("the task {} was cancelled", self.task_id);
                Err(Error::new(ErrorKind::TaskCancelled, text))
            }
            _ => Err(self.failure()),
        }
    }

    fn failure(&self) -> Error {
        let error = self
            .error
            .clone()
            .unwrap_or_else(|| TaskError::new("unknown", "no error was stored"));
        let text = format!(
            "the task {} failed at attempt {}: {}: {}",
            self.task_id,
            self.attempts,
            error.error_type,
            error.with_causes()
        );
        Error::new(ErrorKind::TaskFailed, text).with_task_error(error)
    }
}
