//! The public handle of a worker pool: stops it, and waits for its end.

use std::fmt;
use std::sync::Arc;

use omniq_core::{Error, ErrorKind, Result};
use tokio::sync::{mpsc, watch};

use super::claim::claim_loop;
use super::closing::{Closing, close};
use super::heartbeat::heartbeat_loop;
use super::progress::progress_loop;
use super::report::{Report, Reports};
use super::settle::{ROOM, settle_loop};
use super::shared::Shared;
use super::stop_summary::StopSummary;
use super::sweep::sweep_loop;
use crate::process::{Background, Process, Signals};

/// A running worker pool. Clones are the same pool.
///
/// When the last clone is dropped, the pool stops without grace: running async handlers are dropped, and their tasks are
/// released if the runtime still runs.
#[derive(Clone)]
#[must_use = "a dropped pool stops immediately"]
pub struct AsyncWorkerPool {
    running: Arc<Running>,
}

struct Running {
    shared: Arc<Shared>,
    process: Process,
}

/// Claims and settles in one task: outcomes, and the claim for the seats that they free, are sent at the same moment and
/// so share a commit.
async fn work(pool: Arc<Shared>, reports: Reports, inbox: mpsc::Receiver<Report>) {
    let settling = settle_loop(Arc::clone(&pool), inbox);
    tokio::join!(settling, claim_loop(pool, reports));
}

impl AsyncWorkerPool {
    pub(super) fn start(
        shared: Arc<Shared>,
        stopped: watch::Sender<Option<StopSummary>>,
    ) -> Result<Self> {
        let background = Background::of_this_process()?;
        let (reports, inbox) = mpsc::channel(ROOM);
        let pool: Arc<Shared> = Arc::clone(&shared);
        shared.omniq().pools().add(pool)?;
        tracing::info!(
            concurrency = shared.concurrency,
            handlers = shared.handlers.len(),
            "the worker pool starts"
        );
        let watch = shared.omniq().storage().watch();
        let heartbeat = background.spawn(heartbeat_loop(Arc::clone(&shared), watch));
        let progress = background.spawn(progress_loop(Arc::clone(&shared)));
        // On the background thread as well: a check each second costs less there, and no handler can block it.
        let sweep = background.spawn(sweep_loop(Arc::clone(&shared)));
        let closing = Closing {
            background,
            working: tokio::spawn(work(Arc::clone(&shared), reports, inbox)),
            periodic: [sweep, heartbeat, progress],
            shared: Arc::clone(&shared),
        };
        tokio::spawn(close(closing, stopped));
        let running = Running {
            process: shared.omniq().queue().process(),
            shared,
        };
        Ok(Self {
            running: Arc::new(running),
        })
    }

    /// Stops the pool. It claims no more tasks, releases those that have not started, and waits for running handlers until
    /// the grace ends; then it drops the handlers that still run, and releases their tasks. Returns the summary when all
    /// outcomes are written, or 5 seconds after the grace at the latest.
    ///
    /// # Errors
    ///
    /// Of kind `Closed` if the runtime that the pool was started on has ended, or in a process that was forked
    /// since then.
    pub async fn stop(self) -> Result<StopSummary> {
        self.running.process.check()?;
        self.running.shared.ask_to_stop();
        self.join().await
    }

    /// Waits until the pool has stopped: because a clone of it was [stopped](Self::stop), because one that
    /// [runs until a signal](Self::run_until_signal) got the signal, or because the queue was closed. Returns immediately
    /// if the pool has already stopped.
    ///
    /// # Errors
    ///
    /// As for [`stop`](Self::stop).
    pub async fn join(&self) -> Result<StopSummary> {
        self.running.process.check()?;
        let mut stopped = self.running.shared.stopped.clone();
        let summary = stopped.wait_for(Option::is_some).await;
        summary.ok().and_then(|summary| *summary).ok_or_else(|| {
            let text = "the runtime that the pool was started on ended before the pool had stopped: \
                        unfinished tasks are taken over once their leases have expired";
            Error::new(ErrorKind::Closed, text)
        })
    }

    /// Waits until the process is asked to end (Ctrl-C; on Unix also SIGTERM), then stops the pool. Also returns if the pool
    /// stops for another reason. A second signal ends the grace: it drops the handlers that still run, and releases their
    /// tasks.
    ///
    /// # Errors
    ///
    /// As for [`stop`](Self::stop), and of kind `Settings` if the process can't listen for signals.
    pub async fn run_until_signal(self) -> Result<StopSummary> {
        self.running.process.check()?;
        let mut signals = Signals::listen().map_err(|e| {
            let text = "this process can't listen for signals";
            Error::new(ErrorKind::Settings, text).with_source(e)
        })?;
        tokio::select! {
            summary = self.join() => return summary,
            () = signals.next() => {}
        }
        tracing::info!("stopping the worker pool after a signal");
        self.running.shared.ask_to_stop();
        tokio::select! {
            summary = self.join() => return summary,
            () = signals.next() => {}
        }
        tracing::info!("dropping running handlers after a second signal");
        self.running.shared.grace_expired.fire();
        self.join().await
    }

    /// Waits until the pool has stopped, or its runtime has ended. Does not keep the pool running.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopped = self.running.shared.stopped.clone();
        async move {
            // An error means that the runtime ended, so nothing of the pool runs any more.
            let _ = stopped.wait_for(Option::is_some).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A forked child has no threads of the pool to notify.
        if self.process.is_this() {
            // After a stop, this changes nothing. Otherwise, the tasks of the pool see the flags, release what they have
            // claimed, and end.
            self.shared.ask_to_stop();
            self.shared.grace_expired.fire();
        }
    }
}

impl fmt::Debug for AsyncWorkerPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncWorkerPool")
            .field("concurrency", &self.running.shared.concurrency)
            .finish_non_exhaustive()
    }
}
