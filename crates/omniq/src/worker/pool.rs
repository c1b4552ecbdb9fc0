use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use omniq_core::{Error, ErrorKind, Result};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

use super::Shared;
use super::claim::claim_loop;
use super::heartbeat::heartbeat_loop;
use super::progress::progress_loop;
use super::settle::{LAST_WORDS, ROOM, settle_loop};
use super::sweep::sweep_loop;
use crate::clock;
use crate::heart::Heart;
use crate::pools::Entry;
use crate::signals::Signals;

/// How long a stop waits for calls to the storage that nobody needs any more.
const LAST_CALLS: Duration = Duration::from_millis(100);

/// A running worker pool.
///
/// Dropped, it stops with no grace: running handlers are dropped, and their tasks given back as far as the
/// runtime still lives.
#[must_use = "a dropped pool stops at once"]
pub struct AsyncWorkerPool {
    shared: Arc<Shared>,
    claiming: JoinHandle<()>,
    settling: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    beating: JoinHandle<()>,
    progressing: JoinHandle<()>,
    _heart: Arc<Heart>,
    entry: Option<Arc<Entry>>,
}

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

impl AsyncWorkerPool {
    pub(super) fn start(shared: Arc<Shared>) -> Result<Self> {
        let heart = Heart::of_this_process()?;
        let (reports, inbox) = mpsc::channel(ROOM);
        let pools = shared.omniq().pools();
        let entry = pools.enter(Arc::clone(&shared.filter));
        tracing::info!(
            concurrency = shared.concurrency,
            handlers = shared.handlers.len(),
            "the worker pool starts"
        );
        let watch = shared.omniq().storage().watch();
        let beating = heart.spawn(heartbeat_loop(Arc::clone(&shared), watch));
        let progressing = heart.spawn(progress_loop(Arc::clone(&shared)));
        // On that thread as well: a look each second costs less there, and no handler can block it.
        let sweeping = heart.spawn(sweep_loop(Arc::clone(&shared)));
        Ok(Self {
            _heart: heart,
            claiming: tokio::spawn(claim_loop(Arc::clone(&shared), reports)),
            settling: tokio::spawn(settle_loop(Arc::clone(&shared), inbox)),
            sweeping,
            beating,
            progressing,
            entry: Some(entry),
            shared,
        })
    }

    /// Stops: claims nothing more, gives back what has not started, waits for running handlers as long as
    /// the grace lasts, drops and gives back the rest, and returns when all of it is written down (or
    /// could not be within 5 s more).
    pub async fn stop(mut self) -> Result<StopSummary> {
        let (finished, released) = self.counts();
        let deadline = clock::deadline(self.shared.grace);
        self.entry = None;
        self.shared.stopping.fire();
        let shared = Arc::clone(&self.shared);
        let empty = tokio::select! {
            empty = timeout_at(deadline, self.seats_are_empty()) => empty.is_ok(),
            () = shared.grace_over.fired() => false,
        };
        if !empty {
            self.shared.grace_over.fire();
        }
        let deadline = deadline.max(clock::instant() + LAST_WORDS);
        let settled = timeout_at(deadline, &mut self.settling).await;
        if settled.is_err() {
            self.settling.abort();
            tracing::warn!(
                "the worker pool leaves tasks behind: they could not be settled in time"
            );
        }
        self.sweeping.abort();
        self.let_go_of_the_storage().await;
        let left = self.shared.held.leases().len() as u64;
        let (all_finished, all_released) = self.counts();
        let summary = StopSummary {
            finished: all_finished - finished,
            released: all_released - released,
            left,
            total_finished: all_finished,
        };
        tracing::info!(?summary, "the worker pool stopped");
        Ok(summary)
    }

    /// Runs until the process is asked to end (Ctrl-C; on Unix also SIGTERM), then stops. Asked a second
    /// time, it drops what still runs and gives it back.
    pub async fn run_until_signal(self) -> Result<StopSummary> {
        let mut signals = Signals::listen().map_err(|e| {
            let text = format!("can't listen for signals: {e}");
            Error::new(ErrorKind::Settings, text).with_source(e)
        })?;
        signals.next().await;
        tracing::info!("asked to end");
        let shared = Arc::clone(&self.shared);
        let mut stop = pin!(self.stop());
        tokio::select! {
            summary = &mut stop => return summary,
            () = signals.next() => {}
        }
        tracing::info!("asked to end at once");
        shared.grace_over.fire();
        stop.await
    }

    /// Waits for those who may be in the middle of a call, so that the last queue's end closes the storage at once;
    /// not long, since the call itself may wait for a lock.
    async fn let_go_of_the_storage(&mut self) {
        let deadline = clock::instant() + LAST_CALLS;
        for task in [&mut self.sweeping, &mut self.beating, &mut self.progressing] {
            // An error means that it was aborted, or takes too long.
            let _ = timeout_at(deadline, task).await;
        }
    }

    /// Waits until no handler runs and none will start.
    async fn seats_are_empty(&mut self) {
        // An error means that claiming ended in a panic: either way it starts nothing more.
        let _ = (&mut self.claiming).await;
        let all = u32::try_from(self.shared.concurrency).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let _ = self.shared.seats.acquire_many(all).await;
    }

    fn counts(&self) -> (u64, u64) {
        let finished = self.shared.finished.load(Ordering::Relaxed);
        (finished, self.shared.released.load(Ordering::Relaxed))
    }
}

impl Drop for AsyncWorkerPool {
    fn drop(&mut self) {
        // After a stop this changes nothing. Without one, the tasks of the pool see the flags, give back
        // what they have and end.
        self.shared.stopping.fire();
        self.shared.grace_over.fire();
    }
}

impl fmt::Debug for AsyncWorkerPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncWorkerPool")
            .field("concurrency", &self.shared.concurrency)
            .finish_non_exhaustive()
    }
}
