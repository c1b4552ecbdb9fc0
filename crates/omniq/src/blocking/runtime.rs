//! The runtime that all blocking queues of a process share.

use std::future::Future;
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use omniq_core::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Handle};

use super::inside::may_block;
use super::park::block_on;
use crate::process::Process;

/// With a single thread, a handler that blocks it would stop every timer.
const MIN_THREADS: usize = 2;

/// High enough to be no limit: the pools decide how many blocking handlers run. Threads start only when they are needed.
const MAX_BLOCKING_THREADS: usize = 32_768;

/// The shared runtime. It ends when its last user is dropped.
pub(super) struct Runtime {
    /// `None` only while it is dropped.
    threads: Option<tokio::runtime::Runtime>,
    handle: Handle,
    process: Process,
}

impl Runtime {
    /// Returns the runtime of this process; starts one if there is none.
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
            .worker_threads(cores.max(MIN_THREADS))
            .max_blocking_threads(MAX_BLOCKING_THREADS)
            .thread_name("omniq-blocking")
            .enable_all()
            .build()
            .map_err(|error| {
                let text = "the operating system can't start the threads of blocking queues";
                Error::new(ErrorKind::Storage, text)
                    .with_source(error)
                    .retryable()
            })?;
        Ok(Self {
            handle: threads.handle().clone(),
            threads: Some(threads),
            process: Process::current(),
        })
    }

    /// Runs a call on this thread and waits for it. The runtime provides its timers, and threads for the tasks that it
    /// spawns.
    ///
    /// Fails with kind `InsideRuntime` on a thread that polls async tasks, and with kind `Closed` in a forked child.
    pub(super) fn wait<T>(&self, call: impl Future<Output = T>) -> Result<T> {
        self.process.check()?;
        may_block()?;
        let _entered = self.handle.enter();
        Ok(block_on(call))
    }

    /// Keeps the runtime alive until a future is ready.
    pub(super) fn stay_until(self: &Arc<Self>, ready: impl Future<Output = ()> + Send + 'static) {
        let runtime = Arc::clone(self);
        self.handle.spawn(async move {
            ready.await;
            drop(runtime);
        });
    }
}

impl Drop for Runtime {
    /// Does not wait for the threads, because the last drop may be on one of them, or in an async task.
    fn drop(&mut self) {
        let Some(threads) = self.threads.take() else {
            return;
        };
        match self.process.is_this() {
            true => threads.shutdown_background(),
            // A forked child has none of these threads, and must leave the descriptors that it shares with the parent alone.
            false => std::mem::forget(threads),
        }
    }
}
