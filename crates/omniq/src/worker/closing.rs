//! The end of a pool: one task brings it about, whoever asks for it and however many wait for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::Shared;
use super::settle::LAST_WORDS;
use crate::clock;
use crate::process::Background;

/// How long a stop waits for calls to the storage that nobody needs any more.
const LAST_CALLS: Duration = Duration::from_millis(100);

/// What a stop came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopSummary {
    /// Attempts that ended since the stop was asked for, well or not.
    pub finished: u64,
    /// Tasks that were given back since then: not yet started, or not finished within the grace.
    pub released: u64,
    /// Tasks whose outcome could not be written in time, because the storage failed or a handler would not
    /// stop. Other pools take them over once their leases are over.
    pub left: u64,
    /// Attempts that ended in the whole life of the pool.
    pub total_finished: u64,
}

/// What a pool had come to when it was asked to stop.
pub(super) struct Asked {
    finished: u64,
    released: u64,
    grace_ends: Instant,
}

impl Shared {
    /// Asks for the end; the first time counts.
    pub(super) fn ask_to_stop(&self) {
        self.asked.get_or_init(|| self.asked_now());
        self.stopping.fire();
    }

    fn asked_now(&self) -> Asked {
        let (finished, released) = self.counts();
        Asked {
            finished,
            released,
            grace_ends: clock::deadline(self.grace),
        }
    }

    fn counts(&self) -> (u64, u64) {
        let finished = self.finished.load(Ordering::Relaxed);
        (finished, self.released.load(Ordering::Relaxed))
    }
}

/// What is running, and ends with the pool.
pub(super) struct Closing {
    pub(super) shared: Arc<Shared>,
    /// Claims and settles.
    pub(super) working: JoinHandle<()>,
    /// Those who call the storage by themselves: the sweep first.
    pub(super) calling: [JoinHandle<()>; 3],
    pub(super) heart: Arc<Background>,
}

/// Waits until the pool is asked to stop, brings it about and tells everybody who waits for it.
pub(super) async fn close(closing: Closing, told: watch::Sender<Option<StopSummary>>) {
    closing.shared.stopping.fired().await;
    let summary = closing.run().await;
    tracing::info!(?summary, "the worker pool stopped");
    told.send_replace(Some(summary));
}

impl Closing {
    /// Everything that it holds is gone before anybody hears that the pool has stopped.
    async fn run(mut self) -> StopSummary {
        let shared = Arc::clone(&self.shared);
        let asked = shared.asked.get_or_init(|| shared.asked_now());
        let grace_over = async {
            tokio::select! {
                () = tokio::time::sleep_until(asked.grace_ends) => shared.grace_over.fire(),
                () = shared.grace_over.fired() => {}
            }
        };
        tokio::select! {
            () = self.seats_are_empty() => {}
            () = grace_over => {}
        }
        let latest = asked.grace_ends.max(clock::instant() + LAST_WORDS);
        if timeout_at(latest, &mut self.working).await.is_err() {
            self.working.abort();
            tracing::warn!(
                "the worker pool leaves tasks behind: they could not be settled in time"
            );
        }
        self.let_go_of_the_storage().await;
        drop(self.heart);
        let (finished, released) = shared.counts();
        StopSummary {
            finished: finished - asked.finished,
            released: released - asked.released,
            left: shared.held.leases().len() as u64,
            total_finished: finished,
        }
    }

    /// Waits for those who may be in the middle of a call, so that the last queue's end closes the storage at once;
    /// not long, since the call itself may wait for a lock.
    async fn let_go_of_the_storage(&mut self) {
        self.calling[0].abort();
        let deadline = clock::instant() + LAST_CALLS;
        for task in &mut self.calling {
            // An error means that it was aborted, or takes too long.
            let _ = timeout_at(deadline, task).await;
        }
    }

    /// Waits until no handler runs and none will start.
    async fn seats_are_empty(&self) {
        self.shared.claimed_last.fired().await;
        let all = u32::try_from(self.shared.concurrency).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let _ = self.shared.seats.acquire_many(all).await;
    }
}
