use std::sync::Arc;

use omniq_core::{Format, NewTask, Payload, Task, TaskId};
use tokio::sync::Notify;

use crate::context::{Execution, PoolEnvironment, States};
use crate::{AsyncOmniQ, TaskContext};

/// The id of a task that is in no queue.
const ID: TaskId = match TaskId::from_i64(1) {
    Some(id) => id,
    None => panic!("each number from 1 is an id"),
};

/// Returns a context with which a test can call a task's function: the first attempt of a task that is not in the queue.
///
/// [`TaskContext::enqueue`] adds tasks to the queue, but progress is not stored and follow-up tasks are ignored. Pass a
/// [`State`](crate::State) as `State::new(value)`.
///
/// ```
/// # use omniq::{TaskContext, testing};
/// #[omniq::task]
/// async fn which(ctx: TaskContext) -> u32 {
///     ctx.attempt()
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> omniq::Result<()> {
/// let (omniq, _) = testing::memory().await?;
/// assert_eq!(which(testing::context(&omniq)).await, 1);
/// # Ok(()) }
/// ```
pub fn context(omniq: &AsyncOmniQ) -> TaskContext {
    let payload = Payload::new(Format::Json, br#"{"args":[],"kwargs":{}}"#.to_vec());
    let new = NewTask::new("test", omniq.settings().queue(), payload);
    let mut task = Task::from_new(new, ID, omniq.queue().clock().now());
    (task.attempts, task.lease) = (1, 1);
    let environment = PoolEnvironment {
        omniq: omniq.clone(),
        states: States::new(),
        progressed: Notify::new(),
    };
    TaskContext::new(Arc::new(Execution::new(task, Arc::new(environment))))
}

/// Cancels the execution of this context, as a cancel of the task does.
pub fn cancel(ctx: &TaskContext) {
    ctx.execution().stop.fire();
}
