use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::{Args, Result, TaskError};
use serde::Serialize;

use super::runtime::Runtime;
use crate::{AsyncWorkerPool, Handler, StopSummary, TaskContext, TaskDef};

/// Configures a worker pool; nothing happens before [`start`](Self::start). It is the twin of
/// [`WorkerBuilder`](crate::WorkerBuilder).
#[must_use = "a pool does nothing until it is started"]
pub struct WorkerBuilder {
    builder: crate::WorkerBuilder,
    runtime: Arc<Runtime>,
}

impl WorkerBuilder {
    pub(super) fn new(builder: crate::WorkerBuilder, runtime: Arc<Runtime>) -> Self {
        Self { builder, runtime }
    }

    fn map(self, change: impl FnOnce(crate::WorkerBuilder) -> crate::WorkerBuilder) -> Self {
        Self {
            builder: change(self.builder),
            runtime: self.runtime,
        }
    }

    /// Sets how many handlers run at the same time, at least 1; 8 by default.
    pub fn concurrency(self, handlers: usize) -> Self {
        self.map(|builder| builder.concurrency(handlers))
    }

    /// Takes tasks from these queues only; by default, from every queue.
    pub fn queues<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        self.map(|builder| builder.queues(names))
    }

    /// Runs the tasks of a definition, whether its function is async or not.
    pub fn task<D: TaskDef>(self) -> Self {
        self.map(|builder| builder.task::<D>())
    }

    /// Runs the tasks of this name with an async function of the context and the arguments. For a function that blocks, see
    /// [`Handler::blocking`] and [`with_handler`](Self::with_handler).
    pub fn handler<F, Fut, T>(self, name: &str, function: F) -> Self
    where
        F: Fn(TaskContext, Args) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, TaskError>> + Send + 'static,
        T: Serialize,
    {
        self.map(|builder| builder.handler(name, function))
    }

    /// Runs the tasks of this name with a handler, for example one that blocks or that has typed arguments.
    pub fn with_handler(self, name: &str, handler: Handler) -> Self {
        self.map(|builder| builder.with_handler(name, handler))
    }

    /// Adds a value for [`TaskContext::state`]. There is one value per type; a later one replaces it.
    pub fn state<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.map(|builder| builder.state(value))
    }

    /// Sets how long a stopping pool waits for running handlers; by default, as the settings say.
    pub fn grace(self, span: Duration) -> Self {
        self.map(|builder| builder.grace(span))
    }

    /// Sets how many tasks the pool claims beyond its free seats: see
    /// [`WorkerBuilder::prefetch`](crate::WorkerBuilder::prefetch).
    pub fn prefetch(self, tasks: usize) -> Self {
        self.map(|builder| builder.prefetch(tasks))
    }

    /// Starts the pool, and returns once it runs: see
    /// [`WorkerBuilder::start`](crate::WorkerBuilder::start).
    pub fn start(self) -> Result<WorkerPool> {
        let pool = self.runtime.wait(self.builder.start())??;
        // A dropped pool still releases its tasks, for which it needs these threads.
        self.runtime.stay_until(pool.stopped());
        Ok(WorkerPool {
            pool,
            runtime: self.runtime,
        })
    }
}

impl fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.builder.fmt(f)
    }
}

/// A running worker pool. Clones are the same pool: one thread may stop it while others [`join`](Self::join) it. It is the
/// twin of [`AsyncWorkerPool`].
///
/// When the last clone is dropped, the pool stops without a grace, and the drop does not wait for it: running async handlers
/// are dropped, and their tasks are released.
///
/// ```
/// # use omniq::{Args, OmniQ, TaskContext, TaskError};
/// # fn main() -> omniq::Result<()> {
/// # let omniq = OmniQ::connect("memory:")?;
/// # let nothing = |_: TaskContext, _: Args| async { Ok::<_, TaskError>(()) };
/// let pool = omniq.worker().handler("nothing", nothing).start()?;
/// let clone = pool.clone();
/// let stopping = std::thread::spawn(move || clone.stop());
/// let summary = pool.join()?;
/// # assert_eq!(stopping.join().unwrap()?, summary);
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a dropped pool stops immediately"]
pub struct WorkerPool {
    pool: AsyncWorkerPool,
    runtime: Arc<Runtime>,
}

impl WorkerPool {
    /// Stops the pool, and returns once its running tasks are settled: see [`AsyncWorkerPool::stop`].
    ///
    /// On a thread that runs async tasks, the call is refused and drops this clone of the pool.
    pub fn stop(self) -> Result<StopSummary> {
        self.runtime.wait(self.pool.stop())?
    }

    /// Waits until the pool has stopped, because another thread called [`stop`](Self::stop) on a clone, or got a signal in
    /// [`run_until_signal`](Self::run_until_signal). See [`AsyncWorkerPool::join`].
    pub fn join(&self) -> Result<StopSummary> {
        self.runtime.wait(self.pool.join())?
    }

    /// Waits for a shutdown signal or until another thread stops a clone, then stops the pool: see
    /// [`AsyncWorkerPool::run_until_signal`].
    pub fn run_until_signal(self) -> Result<StopSummary> {
        self.runtime.wait(self.pool.run_until_signal())?
    }
}

impl fmt::Debug for WorkerPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerPool")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
