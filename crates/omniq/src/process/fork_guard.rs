//! Refuses every storage call in a forked child of the process that opened the queue.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::{
    BoxFuture, ClaimRequest, Claimed, Enqueued, Hold, LaneStats, Lease, Orphan, ProgressUpdate,
    PurgeRequest, Settled, TaskFilter, Watch,
};
use omniq_core::{Change, NewTask, OwnerId, Result, Storage, Task, TaskId, Timestamp};

use super::identity::Process;

/// Wraps the storage of a queue, so that every call is checked.
pub(crate) struct ForkGuard {
    storage: Arc<dyn Storage>,
    process: Process,
}

impl ForkGuard {
    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            process: Process::current(),
        }
    }

    fn guarded<'a, T: Send + 'a>(
        &'a self,
        call: impl FnOnce(&'a dyn Storage) -> Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>,
    ) -> BoxFuture<'a, Result<T>> {
        match self.process.check() {
            Ok(()) => call(&*self.storage),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }
}

impl Drop for ForkGuard {
    /// Dropping a storage may wait for its threads, which a forked child does not have.
    fn drop(&mut self) {
        if !self.process.is_this() {
            std::mem::forget(Arc::clone(&self.storage));
        }
    }
}

impl Storage for ForkGuard {
    fn enqueue(&self, tasks: Vec<NewTask>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Enqueued>>> {
        self.guarded(|storage| storage.enqueue(tasks, now))
    }

    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Claimed>> {
        self.guarded(|storage| storage.claim(request))
    }

    fn renew(&self, leases: Vec<Lease>, lease_for: Duration) -> BoxFuture<'_, Result<Vec<Hold>>> {
        self.guarded(|storage| storage.renew(leases, lease_for))
    }

    fn held(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<Vec<Hold>>> {
        self.guarded(|storage| storage.held(leases))
    }

    fn record_progress(
        &self,
        updates: Vec<ProgressUpdate>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<bool>>> {
        self.guarded(|storage| storage.record_progress(updates, now))
    }

    fn settle(&self, changes: Vec<Change>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Settled>>> {
        self.guarded(|storage| storage.settle(changes, now))
    }

    fn orphans(&self, monotonic: Duration, limit: usize) -> BoxFuture<'_, Result<Vec<Orphan>>> {
        self.guarded(|storage| storage.orphans(monotonic, limit))
    }

    fn mark_started(&self, owner: OwnerId, seat: usize, lease: Lease) {
        // Only pools call this, and a forked child has none of their threads.
        self.storage.mark_started(owner, seat, lease);
    }

    fn get(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<Option<Task>>>> {
        self.guarded(|storage| storage.get(ids))
    }

    fn finished_or_unknown(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        self.guarded(|storage| storage.finished_or_unknown(ids))
    }

    fn list_tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>>> {
        self.guarded(|storage| storage.list_tasks(filter))
    }

    fn stats(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<LaneStats>>> {
        self.guarded(|storage| storage.stats(now))
    }

    fn purge(&self, request: PurgeRequest) -> BoxFuture<'_, Result<u64>> {
        self.guarded(|storage| storage.purge(request))
    }

    fn watch(&self) -> Watch {
        match self.process.is_this() {
            true => self.storage.watch(),
            false => Box::pin(tokio_stream::empty()),
        }
    }

    fn clock(&self) -> Option<Timestamp> {
        self.storage.clock()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.guarded(|storage| storage.close())
    }
}
