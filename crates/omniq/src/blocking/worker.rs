use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::{Args, Result, TaskError};
use serde::Serialize;

use super::runtime::Runtime;
use crate::{AsyncWorkerPool, Handler, StopSummary, TaskContext, TaskDef};

/// Sets up a worker pool; nothing happens before [`start`](Self::start). The twin of
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

    /// How many handlers run at the same time, at least 1; 8 by default.
    pub fn concurrency(self, handlers: usize) -> Self {
        self.map(|builder| builder.concurrency(handlers))
    }

    /// Takes tasks from these queues only; from every queue by default.
    pub fn queues<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        self.map(|builder| builder.queues(names))
    }

    /// Runs the tasks of a definition, be its function async or not.
    pub fn task<D: TaskDef>(self) -> Self {
        self.map(|builder| builder.task::<D>())
    }

    /// Runs the tasks of this name with an async function of the context and the arguments; for one that
    /// blocks, see [`Handler::blocking`] and [`with_handler`](Self::with_handler).
    pub fn handler<F, Fut, T>(self, name: &str, function: F) -> Self
    where
        F: Fn(TaskContext, Args) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, TaskError>> + Send + 'static,
        T: Serialize,
    {
        self.map(|builder| builder.handler(name, function))
    }

    /// Runs the tasks of this name with a handler: one that blocks, say, or reads its arguments typed.
    pub fn with_handler(self, name: &str, handler: Handler) -> Self {
        self.map(|builder| builder.with_handler(name, handler))
    }

    /// A value for [`TaskContext::state`]; one per type, the last one counts.
    pub fn state<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.map(|builder| builder.state(value))
    }

    /// How long a stopping pool waits for running handlers; from the settings by default.
    pub fn grace(self, span: Duration) -> Self {
        self.map(|builder| builder.grace(span))
    }

    /// How many tasks are claimed ahead of the free seats: see
    /// [`WorkerBuilder::prefetch`](crate::WorkerBuilder::prefetch).
    pub fn prefetch(self, tasks: usize) -> Self {
        self.map(|builder| builder.prefetch(tasks))
    }

    /// Starts the pool, and returns once it runs: see
    /// [`WorkerBuilder::start`](crate::WorkerBuilder::start).
    pub fn start(self) -> Result<WorkerPool> {
        let pool = self.runtime.wait(self.builder.start())??;
        // Dropped, a pool gives its tasks back: for that it needs its threads.
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

/// A running worker pool, on threads of its own. Clones are the same pool: one thread may stop it while
/// others [`join`](Self::join). The twin of [`AsyncWorkerPool`].
///
/// When the last clone is dropped, it stops with no grace, and nobody waits for it: running async handlers are
/// dropped, and their tasks given back.
///
/// ```
/// # use omniq::{Args, OmniQ, TaskContext, TaskError};
/// # fn main() -> omniq::Result<()> {
/// # let omniq = OmniQ::connect("memory:")?;
/// # let nothing = |_: TaskContext, _: Args| async { Ok::<_, TaskError>(()) };
/// let pool = omniq.worker().handler("nothing", nothing).start()?;
/// let of_another_thread = pool.clone();
/// let stopping = std::thread::spawn(move || of_another_thread.stop());
/// let summary = pool.join()?;
/// # assert_eq!(stopping.join().unwrap()?, summary);
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a dropped pool stops at once"]
pub struct WorkerPool {
    pool: AsyncWorkerPool,
    runtime: Arc<Runtime>,
}

impl WorkerPool {
    /// Stops, and returns when what ran is settled: see [`AsyncWorkerPool::stop`].
    ///
    /// Refused on a thread that runs async tasks, it leaves the pool to be dropped.
    pub fn stop(self) -> Result<StopSummary> {
        self.runtime.wait(self.pool.stop())?
    }

    /// Waits until the pool has stopped: because another thread told a clone of it to [`stop`](Self::stop), or
    /// runs [`until a signal`](Self::run_until_signal) and got one. See [`AsyncWorkerPool::join`].
    pub fn join(&self) -> Result<StopSummary> {
        self.runtime.wait(self.pool.join())?
    }

    /// Runs until the process is asked to end, or another thread stops a clone of it, and then stops: see
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
