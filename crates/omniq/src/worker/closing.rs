//! Stops a pool. One task does this, no matter who requested the stop and how many callers wait for the end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

use super::settle::LAST_WRITES;
use super::shared::Shared;
use super::stop_summary::StopSummary;
use crate::clock;
use crate::process::Background;

/// How long a stop waits for storage calls whose answers are not needed any more.
const LAST_CALLS: Duration = Duration::from_millis(100);

/// The tasks of a pool that end with it.
pub(super) struct Closing {
    pub(super) shared: Arc<Shared>,
    /// The task that claims and settles.
    pub(super) working: JoinHandle<()>,
    /// The tasks that call the storage periodically. The first one is the sweep.
    pub(super) periodic: [JoinHandle<()>; 3],
    pub(super) background: Arc<Background>,
}

/// Waits until the pool is asked to stop, stops it, and notifies all waiters. If this task is dropped before, because the
/// runtime ends, the waiters get an error instead of a summary, because the sender is dropped.
pub(super) async fn close(closing: Closing, stopped: watch::Sender<Option<StopSummary>>) {
    closing.shared.stopping.fired().await;
    let summary = closing.run().await;
    tracing::info!(?summary, "the worker pool stopped");
    stopped.send_replace(Some(summary));
}

impl Closing {
    /// Stops the pool. Everything that it holds is dropped before waiters are notified of the end.
    async fn run(mut self) -> StopSummary {
        let shared = Arc::clone(&self.shared);
        let request = shared.stop_request();
        let grace_expired = async {
            tokio::select! {
                () = tokio::time::sleep_until(request.grace_ends) => shared.grace_expired.fire(),
                () = shared.grace_expired.fired() => {}
            }
        };
        tokio::select! {
            () = self.seats_are_empty() => {}
            () = grace_expired => {}
        }
        let latest = request.grace_ends.max(clock::instant() + LAST_WRITES);
        if timeout_at(latest, &mut self.working).await.is_err() {
            self.working.abort();
            tracing::warn!("some tasks of the worker pool could not be settled in time");
        }
        self.end_storage_calls().await;
        drop(self.background);
        let (finished, released) = shared.counts();
        StopSummary {
            finished: finished - request.finished,
            released: released - request.released,
            left: shared.held.leases().len() as u64,
            total_finished: finished,
        }
    }

    /// Waits for storage calls that are still running, so that dropping the last queue closes the storage
    /// immediately. It does not wait long, because such a call may itself wait for a lock.
    async fn end_storage_calls(&mut self) {
        self.periodic[0].abort();
        let deadline = clock::instant() + LAST_CALLS;
        for task in &mut self.periodic {
            // An error means that the task was aborted, or takes too long.
            let _ = timeout_at(deadline, task).await;
        }
    }

    /// Waits until no handler runs and none will start.
    async fn seats_are_empty(&self) {
        self.shared.claiming_ended.fired().await;
        let all = u32::try_from(self.shared.concurrency).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let _ = self.shared.seats.acquire_many(all).await;
    }
}
