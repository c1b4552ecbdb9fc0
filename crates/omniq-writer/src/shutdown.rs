//! Ends something that takes time, without blocking async callers.

use std::sync::{Arc, Mutex};

use omniq_core::Result;
use tokio::sync::watch;

use crate::errors::no_thread;
use crate::mutex::lock;

/// Blocking work that ends something. It runs once: by [`run`](Self::run), or when this is dropped.
pub struct Shutdown {
    state: Arc<State>,
}

struct State {
    /// Locked while the work runs. `None` afterwards.
    work: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    finished: watch::Sender<bool>,
}

impl Shutdown {
    /// Stores the work.
    pub fn new(work: impl FnOnce() + Send + 'static) -> Self {
        let work: Box<dyn FnOnce() + Send> = Box::new(work);
        let state = State {
            work: Mutex::new(Some(work)),
            finished: watch::Sender::new(false),
        };
        Self {
            state: Arc::new(state),
        }
    }

    /// Runs the work on a thread of its own, so that no thread of a runtime is blocked, and waits until it has
    /// finished. Does nothing if it has been run before. If the future is dropped, the work goes on.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`](omniq_core::ErrorKind::Storage), if no thread can be started. The work is
    /// not done then: call this again.
    pub async fn run(&self) -> Result<()> {
        let mut finished = self.state.finished.subscribe();
        if *finished.borrow_and_update() {
            return Ok(());
        }
        let state = self.state.clone();
        std::thread::Builder::new()
            .name("omniq-closing".into())
            .spawn(move || state.run())
            .map_err(|e| no_thread("closing", e))?;
        // It can't fail: `self` owns a sender.
        let _ = finished.wait_for(|finished| *finished).await;
        Ok(())
    }
}

impl State {
    /// Runs the work, or waits until another thread has run it.
    fn run(&self) {
        let mut work = lock(&self.work);
        if let Some(work) = work.take() {
            work();
        }
        drop(work);
        self.finished.send_replace(true);
    }
}

impl Drop for Shutdown {
    fn drop(&mut self) {
        self.state.run();
    }
}
