use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use omniq_core::{Error, ErrorKind, Result};
use tokio::sync::{mpsc, watch};

use super::Shared;
use super::claim::claim_loop;
use super::closing::{Closing, StopSummary, close};
use super::heartbeat::heartbeat_loop;
use super::progress::progress_loop;
use super::run::Reports;
use super::settle::{ROOM, Report, settle_loop};
use super::sweep::sweep_loop;
use crate::pools::Entry;
use crate::process::Background;
use crate::process::Process;
use crate::process::Signals;

/// A running worker pool. Clones are the same pool.
///
/// When the last of them is dropped, it stops with no grace: running handlers are dropped, and their tasks
/// given back as far as the runtime still lives.
#[derive(Clone)]
#[must_use = "a dropped pool stops at once"]
pub struct AsyncWorkerPool {
    running: Arc<Running>,
}

struct Running {
    shared: Arc<Shared>,
    process: Process,
    entry: Mutex<Option<Arc<Entry>>>,
    stopped: watch::Receiver<Option<StopSummary>>,
}

/// Claims and settles in one task: what is settled and the claim for the seat that it frees are sent in the same
/// moment, and so share a commit.
async fn work(pool: Arc<Shared>, reports: Reports, inbox: mpsc::Receiver<Report>) {
    let settling = settle_loop(Arc::clone(&pool), inbox);
    tokio::join!(settling, claim_loop(pool, reports));
}

impl AsyncWorkerPool {
    pub(super) fn start(shared: Arc<Shared>) -> Result<Self> {
        let heart = Background::of_this_process()?;
        let (reports, inbox) = mpsc::channel(ROOM);
        let (told, stopped) = watch::channel(None);
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
        let closing = Closing {
            heart,
            working: tokio::spawn(work(Arc::clone(&shared), reports, inbox)),
            calling: [sweeping, beating, progressing],
            shared: Arc::clone(&shared),
        };
        tokio::spawn(close(closing, told));
        let running = Running {
            process: shared.omniq().queue().process(),
            shared,
            entry: Mutex::new(Some(entry)),
            stopped,
        };
        Ok(Self {
            running: Arc::new(running),
        })
    }

    /// Stops: claims nothing more, gives back what has not started, waits for running handlers as long as
    /// the grace lasts, drops and gives back the rest, and returns when all of it is written down (or
    /// could not be within 5 s more).
    ///
    /// An error of kind `Closed` if the runtime that the pool was started on has ended, or this process was
    /// forked since then.
    pub async fn stop(self) -> Result<StopSummary> {
        self.running.process.check()?;
        self.running.ask_to_stop();
        self.join().await
    }

    /// Waits until the pool has stopped: because a clone of it was told to [`stop`](Self::stop), or runs
    /// [`until a signal`](Self::run_until_signal) and got one. At once if it has stopped before. The errors
    /// are those of `stop`.
    pub async fn join(&self) -> Result<StopSummary> {
        self.running.process.check()?;
        let mut stopped = self.running.stopped.clone();
        let told = stopped.wait_for(Option::is_some).await;
        told.ok().and_then(|summary| *summary).ok_or_else(|| {
            let text = "the runtime that the pool was started on ended before the pool had stopped: \
                        unfinished tasks are taken over once their leases are over";
            Error::new(ErrorKind::Closed, text)
        })
    }

    /// Runs until the process is asked to end (Ctrl-C; on Unix also SIGTERM), then stops; or until a clone
    /// of it was told to stop. Asked a second time, it drops what still runs and gives it back.
    ///
    /// Errors as those of [`stop`](Self::stop), and one of kind `Settings` if it can't listen for signals.
    pub async fn run_until_signal(self) -> Result<StopSummary> {
        self.running.process.check()?;
        let mut signals = Signals::listen().map_err(|e| {
            let text = format!("can't listen for signals: {e}");
            Error::new(ErrorKind::Settings, text).with_source(e)
        })?;
        tokio::select! {
            summary = self.join() => return summary,
            () = signals.next() => {}
        }
        tracing::info!("asked to end");
        self.running.ask_to_stop();
        tokio::select! {
            summary = self.join() => return summary,
            () = signals.next() => {}
        }
        tracing::info!("asked to end at once");
        self.running.shared.grace_over.fire();
        self.join().await
    }

    /// Over once the pool has stopped, or never will. Does not keep the pool running.
    pub(crate) fn over(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopped = self.running.stopped.clone();
        async move {
            // An error means that the runtime ended: either way nothing of the pool runs any more.
            let _ = stopped.wait_for(Option::is_some).await;
        }
    }
}

impl Running {
    fn ask_to_stop(&self) {
        // From now on it takes no tasks, for those who ask.
        let mut entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner);
        *entry = None;
        self.shared.ask_to_stop();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A forked child has no threads of the pool that could hear it.
        if self.process.is_this() {
            // After a stop this changes nothing. Without one, the tasks of the pool see the flags, give
            // back what they have and end.
            self.ask_to_stop();
            self.shared.grace_over.fire();
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
