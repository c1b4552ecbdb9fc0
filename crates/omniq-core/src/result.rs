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
    /// What the handler returned, after a success.
    pub value: Option<Payload>,
    /// What the last attempt failed with, after a failure.
    pub error: Option<TaskError>,
    /// How often it was executed.
    pub attempts: u32,
    /// When it ended.
    pub finished_at: Timestamp,
}

impl TaskResult {
    /// The value that the handler returned, or the error that says how the task ended instead.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        match (self.status, &self.value) {
            (TaskStatus::Success, Some(value)) => value.decode().map_err(|e| {
                let text = format!("the result of task {} can't be read: {e}", self.task_id);
                Error::new(ErrorKind::Serialization, text).with_source(e)
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
            .unwrap_or_else(|| TaskError::new("unknown", "no error was kept"));
        let text = format!(
            "the task {} failed at attempt {}: {}: {}",
            self.task_id,
            self.attempts,
            error.error_type,
            error.with_causes()
        );
        Error::new(ErrorKind::TaskFailed, text)
            .with_source(error.clone())
            .with_task_error(error)
    }
}
