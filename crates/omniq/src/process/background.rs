//! The background thread: it renews leases, sweeps, stores progress and answers waits. Each process has one for all its
//! queues, so that a handler that blocks its own runtime does not delay the renewal of leases.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use omniq_core::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::identity::Process;

/// The running thread. It ends when the last reference is dropped.
#[derive(Debug)]
pub(crate) struct Background {
    runtime: Handle,
    process: Process,
    /// Dropping this sender ends the thread. It is present until the `Background` is dropped.
    end: Option<oneshot::Sender<()>>,
}

impl Background {
    /// Returns the thread of this process, and starts it if there is none.
    pub(crate) fn of_this_process() -> Result<Arc<Self>> {
        static RUNNING: Mutex<Weak<Background>> = Mutex::new(Weak::new());
        let mut current = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        match current.upgrade() {
            Some(running) if running.process.is_this() => return Ok(running),
            // It belongs to the parent process: this process was forked.
            Some(parents) => std::mem::forget(parents),
            None => {}
        }
        let started = Arc::new(Self::start()?);
        *current = Arc::downgrade(&started);
        Ok(started)
    }

    fn start() -> Result<Self> {
        let refused = |e: std::io::Error| {
            let text = "the background thread, which renews leases, can't be started";
            Error::new(ErrorKind::Storage, text)
                .with_source(e)
                .retryable()
        };
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(refused)?;
        let handle = runtime.handle().clone();
        let (end, end_requested) = oneshot::channel::<()>();
        // The sender is never used, only dropped.
        let run = move || drop(runtime.block_on(end_requested));
        std::thread::Builder::new()
            .name("omniq-background".into())
            .spawn(run)
            .map_err(refused)?;
        Ok(Self {
            runtime: handle,
            process: Process::current(),
            end: Some(end),
        })
    }

    /// Runs a future on the background thread, where no handler can block it.
    pub(crate) fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.runtime.spawn(work)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let end = self.end.take();
        if !self.process.is_this() {
            // A forked child has no thread to end.
            std::mem::forget(end);
        }
    }
}
