//! What a storage keeps of its writer.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use omniq_core::storage::{
    ClaimRequest, Claimed, Enqueued, Hold, Lease, ProgressUpdate, PurgeRequest, Settled, Signal,
    Watch,
};
use omniq_core::{Change, Error, ErrorKind, NewTask, OwnerId, Result, Timestamp};
use tokio::sync::{broadcast, oneshot};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;

use crate::command::{Claim, Command, Enqueue, Job, RecordProgress, Renew, Settle, Write};
use crate::engine::Engine;
use crate::inbox::Inbox;
use crate::neighbours::Neighbours;
use crate::orphans::OrphanFinder;
use crate::query::Query;
use crate::thread::Thread;

/// How many signals a slow listener may be behind before it is told to look.
const SIGNALS: usize = 1_024;

/// How long a drop waits for the last write.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Where data is that processes share, and what tells it from all other data.
#[derive(Debug, Clone, Copy)]
pub struct SharedData<'a> {
    /// The data's own file or folder; it exists.
    pub data: &'a Path,
    /// A random text that the data itself carries.
    pub identity: &'a str,
    /// A folder that other programs put files into for the storage: the writer looks as soon as one arrives,
    /// where the system tells, else at its safety check.
    pub arrivals: Option<&'a Path>,
}

/// The thread that writes, as its storage sees it. Dropping it writes what was sent, and ends the thread.
pub struct Writer<E: Engine> {
    inbox: Arc<Inbox<Command<E>>>,
    bell: broadcast::Sender<Signal>,
    local: Arc<Neighbours>,
    /// The thread, and what hangs up when it ends.
    thread: Option<(JoinHandle<()>, Mutex<Receiver<()>>)>,
}

impl<E: Engine> Writer<E> {
    /// Starts the thread. Without a home there are no other processes.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`], if no thread can be started.
    pub fn start(engine: E, home: Option<SharedData<'_>>, poll_interval: Duration) -> Result<Self> {
        let (bell, _) = broadcast::channel(SIGNALS);
        let inbox = Arc::new(Inbox::new(E::NAME));
        let local = home.map(|home| Neighbours::open(home, &inbox, &bell));
        let local = Arc::new(local.unwrap_or_default());
        let (hangs_up, ended) = channel();
        let work = Thread::new(
            engine,
            poll_interval,
            inbox.clone(),
            bell.clone(),
            local.clone(),
        );
        let thread = std::thread::Builder::new().name("omniq-writer".into());
        let thread = thread
            .spawn(move || {
                let _hangs_up = hangs_up;
                work.run();
            })
            .map_err(|e| no_thread("writer", e))?;
        Ok(Self {
            inbox,
            bell,
            local,
            thread: Some((thread, Mutex::new(ended))),
        })
    }

    /// Tells sleepers, here and in other processes, to look.
    pub fn ring(&self) {
        self.inbox.nudge();
        self.local.ring();
    }

    /// Who finds the leases that nobody looks after.
    pub fn orphan_finder(&self) -> OrphanFinder {
        OrphanFinder::new(self.local.clone())
    }

    /// Notes that a task of this owner starts.
    pub fn mark_started(&self, owner: OwnerId, seat: usize, lease: Lease) {
        self.local.mark_started(owner, seat, lease);
    }

    /// Adds tasks: see [`Storage`](omniq_core::Storage), as for all of these.
    ///
    /// # Errors
    ///
    /// Those of the engine; of kind [`ErrorKind::Closed`] after the thread has ended.
    pub async fn enqueue(&self, tasks: Vec<NewTask>, now: Timestamp) -> Result<Vec<Enqueued>> {
        self.work(Enqueue { tasks, now }, Command::Enqueue).await
    }

    /// Takes due tasks.
    ///
    /// # Errors
    ///
    /// As for [`enqueue`](Self::enqueue).
    pub async fn claim(&self, request: ClaimRequest) -> Result<Claimed> {
        self.local.enter(request.owner);
        let (reply, answer) = oneshot::channel();
        let claim = Claim {
            request,
            reply,
            answer: Claimed::default(),
        };
        let catch = self.ask(Command::Claim(Box::new(claim)), answer).await?;
        Ok(catch.take())
    }

    /// Prolongs leases.
    ///
    /// # Errors
    ///
    /// As for [`enqueue`](Self::enqueue).
    pub async fn renew(&self, leases: Vec<Lease>, lease_for: Duration) -> Result<Vec<Hold>> {
        self.work(Renew { leases, lease_for }, Command::Renew).await
    }

    /// Keeps progress.
    ///
    /// # Errors
    ///
    /// As for [`enqueue`](Self::enqueue).
    pub async fn record_progress(
        &self,
        updates: Vec<ProgressUpdate>,
        now: Timestamp,
    ) -> Result<Vec<bool>> {
        self.work(RecordProgress { updates, now }, Command::RecordProgress)
            .await
    }

    /// Writes changes.
    ///
    /// # Errors
    ///
    /// As for [`enqueue`](Self::enqueue).
    pub async fn settle(&self, changes: Vec<Change>, now: Timestamp) -> Result<Vec<Settled>> {
        self.work(Settle { changes, now }, Command::Settle).await
    }

    /// Forgets finished tasks.
    ///
    /// # Errors
    ///
    /// As for [`enqueue`](Self::enqueue).
    pub async fn purge(&self, request: PurgeRequest) -> Result<u64> {
        self.work(request, Command::Purge).await
    }

    /// Looks, in the thread that writes: for storages with nobody else who could.
    ///
    /// # Errors
    ///
    /// As for [`enqueue`](Self::enqueue).
    pub async fn query<T, A>(&self, ask: A) -> Result<T>
    where
        A: FnMut(&mut E::Reader) -> Result<T, E::Failure> + Send + 'static,
        T: Send + 'static,
    {
        let (look, answer) = Query::new(ask);
        self.ask(Command::Query(look), answer).await
    }

    /// What happens from now on.
    pub fn watch(&self) -> Watch {
        let signals = BroadcastStream::new(self.bell.subscribe());
        // The thread sleeps without a timer while nobody listens.
        self.inbox.nudge();
        Box::pin(signals.map(|signal| signal.unwrap_or(Signal::Unknown)))
    }

    async fn work<W: Write<E>>(
        &self,
        write: W,
        command: impl FnOnce(Job<E, W>) -> Command<E>,
    ) -> Result<W::Answer> {
        let (job, answer) = Job::new(write);
        self.ask(command(job), answer).await
    }

    async fn ask<T>(&self, command: Command<E>, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
        self.inbox.send(command.is_urgent(), command).await?;
        answer.await.map_err(|_| self.inbox.closed())?
    }
}

impl<E: Engine> Drop for Writer<E> {
    /// What was sent is still written. If another process keeps us from it, the thread is left to finish by
    /// itself after a second.
    fn drop(&mut self) {
        self.inbox.close();
        let Some((thread, ended)) = self.thread.take() else {
            return;
        };
        let ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
        match ended.recv_timeout(LAST_WRITE) {
            Err(RecvTimeoutError::Timeout) => {
                tracing::warn!("the {} storage is still being written", E::NAME);
            }
            _ if thread.join().is_err() => {
                tracing::error!(
                    "the thread that writes for the {} storage panicked",
                    E::NAME
                );
            }
            _ => {}
        }
    }
}

/// The error of a thread that can't be started.
pub fn no_thread(what: &str, error: std::io::Error) -> Error {
    let text = format!("the {what} thread of the storage can't be started: {error}");
    Error::new(ErrorKind::Storage, text)
        .with_source(error)
        .retryable()
}
