//! The user's function, behind one type.

use std::fmt;
use std::future::{Future, ready};
use std::sync::Arc;

use omniq_core::storage::BoxFuture;
use omniq_core::{Args, Format, Payload, TaskError};
use serde::Serialize;

use crate::TaskContext;

type Erased = dyn Fn(TaskContext) -> BoxFuture<'static, Result<Payload, TaskError>> + Send + Sync;

/// A task's function. Cloning it is cheap.
#[derive(Clone)]
pub struct Handler(Arc<Erased>);

impl Handler {
    /// From an async function of the context and the arguments. It must not block its thread for long: hand
    /// blocking work to `tokio::task::spawn_blocking`, else neither its time limit nor a cancel can end it.
    ///
    /// ```
    /// # use omniq::{Args, Handler, TaskContext, TaskError};
    /// let add = Handler::new(|_: TaskContext, args: Args| async move {
    ///     let (a, b): (i64, i64) = args.bind(&["a", "b"])?;
    ///     Ok::<_, TaskError>(a + b)
    /// });
    /// ```
    pub fn new<F, Fut, T>(function: F) -> Self
    where
        F: Fn(TaskContext, Args) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, TaskError>> + Send + 'static,
        T: Serialize,
    {
        Self(Arc::new(move |ctx| {
            let args = match ctx.args() {
                Ok(args) => args,
                Err(error) => return Box::pin(ready(Err(error))),
            };
            let running = function(ctx, args);
            Box::pin(async move { encode_result(&running.await?) })
        }))
    }

    pub(crate) fn call(&self, ctx: TaskContext) -> BoxFuture<'static, Result<Payload, TaskError>> {
        (self.0)(ctx)
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler")
    }
}

/// A task as a type: its name and its function, for [`WorkerBuilder::task`](crate::WorkerBuilder::task).
///
/// ```
/// # use omniq::{Args, Handler, Order, TaskContext, TaskDef, TaskError};
/// struct Add;
///
/// impl TaskDef for Add {
///     type Output = i64;
///     const NAME: &'static str = "math.add";
///
///     fn handler() -> Handler {
///         Handler::new(|_: TaskContext, args: Args| async move {
///             let (a, b): (i64, i64) = args.bind(&["a", "b"])?;
///             Ok::<i64, TaskError>(a + b)
///         })
///     }
/// }
///
/// let order: Order<i64> = Order::new(Add::NAME).arg(1).arg(2);
/// ```
pub trait TaskDef {
    /// What it returns.
    type Output;

    /// Its name in the queue.
    const NAME: &'static str;

    /// What runs it.
    fn handler() -> Handler;
}

/// Writes a handler's value; a value that can't be written is a fatal error of type `result`.
pub(crate) fn encode_result(value: &impl Serialize) -> Result<Payload, TaskError> {
    Payload::encode(Format::Json, value).map_err(|e| {
        TaskError::new("result", format!("the result can't be written: {e}")).with_retryable(false)
    })
}

/// Refuses a result that is larger than the limit.
pub(crate) fn fits(result: &Payload, limit: usize) -> Result<(), TaskError> {
    let size = result.bytes.len();
    if size <= limit {
        return Ok(());
    }
    let text = format!(
        "the result takes {size} bytes, but the limit is {limit}: return a path or a key instead of the \
         data, or raise max_payload in the settings"
    );
    Err(TaskError::new("result", text).with_retryable(false))
}
