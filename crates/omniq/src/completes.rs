//! The success of an execution as a change, for `complete_in` in a transaction of the user's own.

use omniq_core::{
    Change, Completes, Error, ErrorKind, NewTask, Outcome, Result, Task, Timestamp, settle,
};
use serde::Serialize;

use crate::claim::Claim;
use crate::{AsyncTaskQueue, TaskContext};

impl Completes for TaskContext {
    fn success<T: Serialize + ?Sized>(&self, value: &T) -> Result<(Change, Timestamp)> {
        let execution = &self.execution;
        success(
            self.omniq().queue(),
            &execution.task,
            value,
            execution.follow_ups(),
        )
    }
}

impl Completes for Claim {
    fn success<T: Serialize + ?Sized>(&self, value: &T) -> Result<(Change, Timestamp)> {
        success(self.queue(), self, value, Vec::new())
    }
}

fn success<T: Serialize + ?Sized>(
    queue: &AsyncTaskQueue,
    task: &Task,
    value: &T,
    then: Vec<NewTask>,
) -> Result<(Change, Timestamp)> {
    let result = queue.encode_result(task.payload.format, value);
    let result = result.map_err(|error| {
        let text = format!("the task {} can't be completed", task.id);
        Error::new(ErrorKind::Serialization, text).with_source(error)
    })?;
    let now = queue.clock().now();
    // The random number is for retries only: a success has no jitter.
    let change = settle::settle(task, Outcome::Succeeded { result, then }, now, 0.0)?;
    Ok((change, now))
}
