//! The user's function, behind one type.

use std::any::{TypeId, type_name};
use std::fmt;
use std::future::{Future, ready};
use std::sync::Arc;

use omniq_core::storage::BoxFuture;
use omniq_core::{Args, Format, Parameter, Payload, TaskError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::TaskContext;

/// A task's function. Cloning it is cheap.
#[derive(Clone)]
pub struct Handler {
    run: Run,
    needs: Vec<Need>,
}

/// How the function is run.
#[derive(Clone)]
pub(crate) enum Run {
    /// Polled by the runtime.
    Async(Arc<dyn Fn(TaskContext) -> BoxFuture<'static, Ended> + Send + Sync>),
    /// Called on a thread for blocking work.
    Blocking(Arc<dyn Fn(TaskContext) -> Ended + Send + Sync>),
}

pub(crate) type Ended = Result<Payload, TaskError>;

/// The type of a state that a function asks for.
#[derive(Clone, Copy)]
pub(crate) struct Need {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
}

impl Handler {
    /// From an async function of the context and the arguments. It must not block its thread for long: hand
    /// blocking work to `tokio::task::spawn_blocking` or to [`Handler::blocking`], else neither its time
    /// limit nor a cancel can end it.
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

    /// As [`new`](Self::new), from a function that may block: it runs on a thread of its own. When its time
    /// is over or it is cancelled, [`TaskContext::is_cancelled`] says so; it can't be ended from outside, and
    /// keeps its seat until it returns.
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

    /// From an async function of the context and a tuple with the values of these parameters: what
    /// `#[omniq::task]` makes of an `async fn`.
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

    /// As [`typed`](Self::typed), from a function that may block: see [`blocking`](Self::blocking).
    pub fn typed_blocking<A, F, T>(parameters: &'static [Parameter], function: F) -> Self
    where
        A: DeserializeOwned,
        F: Fn(TaskContext, A) -> Result<T, TaskError> + Send + Sync + 'static,
        T: Serialize,
    {
        Self::from_blocking(move |ctx| ctx.payload().bind(parameters), function)
    }

    /// Says that the function asks for a [`State`](crate::State) of this type: a pool without one refuses to
    /// start.
    #[must_use]
    pub fn needs<T: Send + Sync + 'static>(mut self) -> Self {
        self.needs.push(Need {
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
        let run = move |ctx: TaskContext| -> BoxFuture<'static, Ended> {
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

    /// The states that it asks for.
    pub(crate) fn asks_for(&self) -> &[Need] {
        &self.needs
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler")
    }
}

/// A task as a type: its name and its function, for [`WorkerBuilder::task`](crate::WorkerBuilder::task).
/// `#[omniq::task]` writes it; by hand it is a few lines:
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
    /// What it returns.
    type Output;

    /// Its name in the queue.
    const NAME: &'static str;

    /// What runs it.
    fn handler() -> Handler;
}

/// Writes a handler's value; a value that can't be written is a fatal error of type `result`.
pub(crate) fn encode_result<T: Serialize + ?Sized>(format: Format, value: &T) -> Ended {
    Payload::encode(format, value).map_err(|e| {
        TaskError::new(
            "result",
            format!("the result can't be written: {}", e.chain()),
        )
        .with_retryable(false)
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
