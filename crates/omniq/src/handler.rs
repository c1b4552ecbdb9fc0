//! Wraps a user's function, async or blocking, as a handler.

use std::any::{TypeId, type_name};
use std::fmt;
use std::future::{Future, ready};
use std::sync::Arc;

use omniq_core::storage::BoxFuture;
use omniq_core::{Args, Parameter, TaskError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::TaskContext;
use crate::result_payload::{HandlerResult, encode_result};

/// The function that runs a task. Cloning it is cheap.
#[derive(Clone)]
pub struct Handler {
    run: Run,
    needs: Vec<RequiredState>,
}

/// The function, by the way in which it runs.
#[derive(Clone)]
pub(crate) enum Run {
    /// Polled by the runtime.
    Async(Arc<dyn Fn(TaskContext) -> BoxFuture<'static, HandlerResult> + Send + Sync>),
    /// Called on a thread for blocking code.
    Blocking(Arc<dyn Fn(TaskContext) -> HandlerResult + Send + Sync>),
}

/// The type of a [`State`](crate::State) that a function requires.
#[derive(Clone, Copy)]
pub(crate) struct RequiredState {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
}

impl Handler {
    /// Creates a handler from an async function of the context and the arguments. The function must not block its
    /// thread for long, because then neither its time limit nor a cancellation can end it: use
    /// `tokio::task::spawn_blocking` or [`Handler::blocking`] for blocking code.
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
        Self::from_async(TaskContext::args, function)
    }

    /// Creates a handler from a function that may block; it runs on a thread of its own. It can't be ended from outside,
    /// and keeps its seat until it returns. When its time limit has expired or its task was cancelled,
    /// [`TaskContext::is_cancelled`] returns `true`, so that it can return early.
    ///
    /// ```
    /// # use omniq::{Args, Handler, TaskContext, TaskError};
    /// let size = Handler::blocking(|_: TaskContext, args: Args| {
    ///     let (path,): (String,) = args.bind(&["path"])?;
    ///     std::fs::metadata(path).map(|found| found.len()).map_err(TaskError::retryable)
    /// });
    /// ```
    pub fn blocking<F, T>(function: F) -> Self
    where
        F: Fn(TaskContext, Args) -> Result<T, TaskError> + Send + Sync + 'static,
        T: Serialize,
    {
        Self::from_blocking(TaskContext::args, function)
    }

    /// Creates a handler from an async function of the context and a tuple with the values of these parameters.
    /// `#[omniq::task]` does this for an `async fn`.
    ///
    /// ```
    /// # use omniq::{Handler, Parameter, TaskContext, TaskError};
    /// const PARAMETERS: &[Parameter] = &[Parameter::new("a"), Parameter::new("b")];
    /// let add = Handler::typed(PARAMETERS, |_: TaskContext, (a, b): (i64, i64)| async move {
    ///     Ok::<_, TaskError>(a + b)
    /// });
    /// ```
    pub fn typed<A, F, Fut, T>(parameters: &'static [Parameter], function: F) -> Self
    where
        A: DeserializeOwned,
        F: Fn(TaskContext, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, TaskError>> + Send + 'static,
        T: Serialize,
    {
        Self::from_async(move |ctx| ctx.payload().bind(parameters), function)
    }

    /// Creates a handler as [`typed`](Self::typed) does, from a function that may block: see
    /// [`blocking`](Self::blocking).
    pub fn typed_blocking<A, F, T>(parameters: &'static [Parameter], function: F) -> Self
    where
        A: DeserializeOwned,
        F: Fn(TaskContext, A) -> Result<T, TaskError> + Send + Sync + 'static,
        T: Serialize,
    {
        Self::from_blocking(move |ctx| ctx.payload().bind(parameters), function)
    }

    /// Declares that the function requires a [`State`](crate::State) of this type. A pool that was not given one refuses
    /// to start.
    #[must_use]
    pub fn needs<T: Send + Sync + 'static>(mut self) -> Self {
        self.needs.push(RequiredState {
            id: TypeId::of::<T>(),
            name: type_name::<T>(),
        });
        self
    }

    fn from_async<A, F, Fut, T>(
        bind: impl Fn(&TaskContext) -> Result<A, TaskError> + Send + Sync + 'static,
        function: F,
    ) -> Self
    where
        F: Fn(TaskContext, A) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, TaskError>> + Send + 'static,
        T: Serialize,
    {
        let run = move |ctx: TaskContext| -> BoxFuture<'static, HandlerResult> {
            let format = ctx.payload().format;
            match bind(&ctx) {
                Ok(args) => {
                    let running = function(ctx, args);
                    Box::pin(async move { encode_result(format, &running.await?) })
                }
                Err(error) => Box::pin(ready(Err(error))),
            }
        };
        Self {
            run: Run::Async(Arc::new(run)),
            needs: Vec::new(),
        }
    }

    fn from_blocking<A, F, T>(
        bind: impl Fn(&TaskContext) -> Result<A, TaskError> + Send + Sync + 'static,
        function: F,
    ) -> Self
    where
        F: Fn(TaskContext, A) -> Result<T, TaskError> + Send + Sync + 'static,
        T: Serialize,
    {
        let run = move |ctx: TaskContext| {
            let format = ctx.payload().format;
            let args = bind(&ctx)?;
            encode_result(format, &function(ctx, args)?)
        };
        Self {
            run: Run::Blocking(Arc::new(run)),
            needs: Vec::new(),
        }
    }

    pub(crate) fn run(&self) -> &Run {
        &self.run
    }

    /// Returns the states that the function requires.
    pub(crate) fn required_states(&self) -> &[RequiredState] {
        &self.needs
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler")
    }
}

/// A task as a type: its name and its handler, for [`WorkerBuilder::task`](crate::WorkerBuilder::task).
/// `#[omniq::task]` implements it. Without the macro, a few lines suffice:
///
/// ```
/// # use omniq::{Handler, Order, Parameter, TaskContext, TaskDef, TaskError};
/// struct Add;
///
/// impl Add {
///     fn with(a: i64, b: i64) -> Order<i64> {
///         Order::new(Self::NAME).parameter("a", a).parameter("b", b)
///     }
/// }
///
/// impl TaskDef for Add {
///     type Output = i64;
///     const NAME: &'static str = "math.add";
///
///     fn handler() -> Handler {
///         const PARAMETERS: &[Parameter] = &[Parameter::new("a"), Parameter::new("b")];
///         Handler::typed(PARAMETERS, |_: TaskContext, (a, b): (i64, i64)| async move {
///             Ok::<i64, TaskError>(a + b)
///         })
///     }
/// }
/// ```
pub trait TaskDef {
    /// The type that the task returns.
    type Output;

    /// The name of the task in the queue.
    const NAME: &'static str;

    /// Returns the handler that runs the task.
    fn handler() -> Handler;
}
