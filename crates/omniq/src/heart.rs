//! The thread that keeps leases alive: one in a process, for all its pools and claims, so that a handler
//! that blocks its own runtime costs nobody a lease.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use omniq_core::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The running thread. It ends when the last who needs it is gone.
#[derive(Debug)]
pub(crate) struct Heart {
    runtime: Handle,
    _end: oneshot::Sender<()>,
}

impl Heart {
    /// The thread of this process, started if there is none.
    pub(crate) fn of_this_process() -> Result<Arc<Self>> {
        static HEART: Mutex<Weak<Heart>> = Mutex::new(Weak::new());
        let mut heart = HEART.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = heart.upgrade() {
            return Ok(running);
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
            _end: end,
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
