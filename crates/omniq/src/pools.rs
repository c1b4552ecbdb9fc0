//! The running pools of one queue: which tasks they take, and how to stop them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use omniq_core::storage::BoxFuture;
use omniq_core::{Error, ErrorKind, Format, Result};

/// A pool, as its queue sees it.
pub(crate) trait RunningPool: Send + Sync {
    /// Returns whether the pool claims tasks of this lane now.
    fn takes(&self, queue: &str, name: &str, format: Format) -> bool;

    /// Asks the pool to stop, and returns without waiting.
    fn ask_to_stop(&self);

    /// Waits until the pool has stopped.
    fn stopped(&self) -> BoxFuture<'static, ()>;
}

/// The pools that were started on a queue and still exist.
#[derive(Default)]
pub(crate) struct Pools(Mutex<List>);

#[derive(Default)]
struct List {
    pools: Vec<Weak<dyn RunningPool>>,
    closed: bool,
}

impl Pools {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a pool that is being started.
    ///
    /// # Errors
    ///
    /// Of kind `Closed` if the queue was closed.
    pub(crate) fn add(&self, pool: Arc<dyn RunningPool>) -> Result<()> {
        let mut list = self.lock();
        if list.closed {
            let text = "no worker pool can be started: the queue was closed";
            return Err(Error::new(ErrorKind::Closed, text));
        }
        list.pools.retain(|pool| pool.strong_count() > 0);
        list.pools.push(Arc::downgrade(&pool));
        Ok(())
    }

    fn running(&self) -> Vec<Arc<dyn RunningPool>> {
        self.lock().pools.iter().filter_map(Weak::upgrade).collect()
    }

    /// Returns whether a running pool takes tasks of this lane.
    pub(crate) fn takes(&self, queue: &str, name: &str, format: Format) -> bool {
        self.running()
            .iter()
            .any(|pool| pool.takes(queue, name, format))
    }

    /// Refuses further pools, stops those that run, and waits until they have stopped.
    pub(crate) async fn close(&self) {
        self.lock().closed = true;
        let running = self.running();
        for pool in &running {
            pool.ask_to_stop();
        }
        for stopped in running
            .iter()
            .map(|pool| pool.stopped())
            .collect::<Vec<_>>()
        {
            stopped.await;
        }
    }
}
