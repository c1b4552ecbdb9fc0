//! The thread that keeps leases alive: one in a process, for all its pools and claims, so that a handler
//! that blocks its own runtime costs nobody a lease.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use omniq_core::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::Process;

/// The running thread. It ends when the last who needs it is gone.
#[derive(Debug)]
pub(crate) struct Background {
    runtime: Handle,
    process: Process,
    /// There until the drop.
    end: Option<oneshot::Sender<()>>,
}

impl Background {
    /// The thread of this process, started if there is none.
    pub(crate) fn of_this_process() -> Result<Arc<Self>> {
        static HEART: Mutex<Weak<Background>> = Mutex::new(Weak::new());
        let mut heart = HEART.lock().unwrap_or_else(PoisonError::into_inner);
        match heart.upgrade() {
            Some(running) if running.process.is_this() => return Ok(running),
            // The parent's, before a fork.
            Some(elsewhere) => std::mem::forget(elsewhere),
            None => {}
        }
        let started = Arc::new(Self::start()?);
        *heart = Arc::downgrade(&started);
        Ok(started)
    }

    fn start() -> Result<Self> {
        let refused = |e: std::io::Error| {
            let text = format!("the thread that renews leases can't be started: {e}");
            Error::new(ErrorKind::Storage, text)
                .with_source(e)
                .retryable()
        };
        let runtime = Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(refused)?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        // The sender is never used, only dropped.
        let beat = move || drop(runtime.block_on(ended));
        std::thread::Builder::new()
            .name("omniq-heart".into())
            .spawn(beat)
            .map_err(refused)?;
        Ok(Self {
            runtime: handle,
            process: Process::current(),
            end: Some(end),
        })
    }

    /// Runs what must not be held up by handlers.
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
            // A forked child has no thread that it could end.
            std::mem::forget(end);
        }
    }
}
