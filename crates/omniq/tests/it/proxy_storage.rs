//! A storage that passes everything on, except that a test sends its signals and sets its clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use omniq::storage::{
    BoxFuture, Change, ClaimRequest, Claimed, Enqueued, Hold, LaneStats, Lease, NewTask, Orphan,
    OwnerId, ProgressUpdate, PurgeRequest, Settled, Signal, Storage, TaskFilter, Watch,
};
use omniq::{Result, Task, TaskId, Timestamp};
use tokio::sync::broadcast;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;

pub(crate) struct Proxy {
    inner: Arc<dyn Storage>,
    signals: broadcast::Sender<Signal>,
    /// The storage's time in microseconds; 0 for a storage without a clock.
    clock: AtomicI64,
    /// Whether a signal about finished tasks names them.
    names_tasks: AtomicBool,
}

impl Proxy {
    pub(crate) fn new(inner: Arc<dyn Storage>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            signals: broadcast::Sender::new(16),
            clock: AtomicI64::new(0),
            names_tasks: AtomicBool::new(true),
        })
    }

    /// Sends a signal to all listeners, besides those of the inner storage.
    pub(crate) fn send(&self, signal: Signal) {
        self.signals.send(signal).unwrap();
    }

    /// From the next watch on, signals about finished tasks do not name them.
    pub(crate) fn name_no_tasks(&self) {
        self.names_tasks.store(false, Ordering::SeqCst);
    }

    pub(crate) fn set_clock(&self, time: Timestamp) {
        self.clock.store(time.0, Ordering::SeqCst);
    }
}

impl Storage for Proxy {
    fn enqueue(&self, tasks: Vec<NewTask>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Enqueued>>> {
        self.inner.enqueue(tasks, now)
    }

    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Claimed>> {
        self.inner.claim(request)
    }

    fn renew(&self, leases: Vec<Lease>, lease_for: Duration) -> BoxFuture<'_, Result<Vec<Hold>>> {
        self.inner.renew(leases, lease_for)
    }

    fn held(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<Vec<Hold>>> {
        self.inner.held(leases)
    }

    fn record_progress(
        &self,
        updates: Vec<ProgressUpdate>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<bool>>> {
        self.inner.record_progress(updates, now)
    }

    fn settle(&self, changes: Vec<Change>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Settled>>> {
        self.inner.settle(changes, now)
    }

    fn orphans(&self, monotonic: Duration, limit: usize) -> BoxFuture<'_, Result<Vec<Orphan>>> {
        self.inner.orphans(monotonic, limit)
    }

    fn mark_started(&self, owner: OwnerId, seat: usize, lease: Lease) {
        self.inner.mark_started(owner, seat, lease);
    }

    fn get(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<Option<Task>>>> {
        self.inner.get(ids)
    }

    fn finished_or_unknown(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        self.inner.finished_or_unknown(ids)
    }

    fn list_tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>>> {
        self.inner.list_tasks(filter)
    }

    fn stats(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<LaneStats>>> {
        self.inner.stats(now)
    }

    fn purge(&self, request: PurgeRequest) -> BoxFuture<'_, Result<u64>> {
        self.inner.purge(request)
    }

    fn watch(&self) -> Watch {
        let sent = BroadcastStream::new(self.signals.subscribe());
        let sent = sent.map(|signal| signal.unwrap_or(Signal::Unknown));
        let names_tasks = self.names_tasks.load(Ordering::SeqCst);
        let passed_on = self.inner.watch().map(move |signal| match signal {
            Signal::Finished(_) if !names_tasks => Signal::SomeFinished,
            signal => signal,
        });
        Box::pin(passed_on.merge(sent))
    }

    fn clock(&self) -> Option<Timestamp> {
        match self.clock.load(Ordering::SeqCst) {
            0 => None,
            time => Some(Timestamp(time)),
        }
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.close()
    }
}
