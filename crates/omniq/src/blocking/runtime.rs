//! The one runtime behind all blocking queues of a process.

use std::future::Future;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use omniq_core::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Handle};

use super::inside::may_block;
use super::park::block_on;
use crate::process::Process;

/// With one alone, a handler that blocks it would stop every timer.
const FEWEST_THREADS: usize = 2;

/// More than anybody needs: how many blocking handlers run is up to the pools. They start as they are needed.
const MOST_BLOCKING: usize = 32_768;

/// The running threads. They end when the last who needs them is gone.
pub(super) struct Runtime {
    /// There until the drop.
    threads: Option<tokio::runtime::Runtime>,
    handle: Handle,
    process: Process,
}

impl Runtime {
    /// The runtime of this process, started if there is none.
    pub(super) fn of_this_process() -> Result<Arc<Self>> {
        static RUNTIME: Mutex<Weak<Runtime>> = Mutex::new(Weak::new());
        let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = runtime.upgrade().filter(|one| one.process.is_this()) {
            return Ok(running);
        }
        let started = Arc::new(Self::start()?);
        *runtime = Arc::downgrade(&started);
        Ok(started)
    }

    fn start() -> Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let threads = Builder::new_multi_thread()
            .worker_threads(cores.max(FEWEST_THREADS))
            .max_blocking_threads(MOST_BLOCKING)
            .thread_name("omniq-blocking")
            .enable_all()
            .build()
            .map_err(|e| {
                let text = format!("the threads behind OmniQ can't be started: {e}");
                Error::new(ErrorKind::Storage, text)
                    .with_source(e)
                    .retryable()
            })?;
        Ok(Self {
            handle: threads.handle().clone(),
            threads: Some(threads),
            process: Process::current(),
        })
    }

    /// Waits for a call, on this thread: the runtime gives timers, and threads for what the call spawns.
    ///
    /// An error of kind `InsideRuntime` where async tasks are polled, and of kind `Closed` after a fork.
    pub(super) fn wait<T>(&self, call: impl Future<Output = T>) -> Result<T> {
        self.process.check()?;
        may_block()?;
        let _entered = self.handle.enter();
        Ok(block_on(call))
    }

    /// Stays until this is over.
    pub(super) fn stay_until(self: &Arc<Self>, over: impl Future<Output = ()> + Send + 'static) {
        let runtime = Arc::clone(self);
        self.handle.spawn(async move {
            over.await;
            drop(runtime);
        });
    }
}

impl Drop for Runtime {
    /// Waits for nothing, since it may be one of its own threads, or any async one, that drops it last.
    fn drop(&mut self) {
        let Some(threads) = self.threads.take() else {
            return;
        };
        match self.process.is_this() {
            true => threads.shutdown_background(),
            // A forked child has none of its threads, but shares its descriptors with the parent.
            false => std::mem::forget(threads),
        }
    }
}
