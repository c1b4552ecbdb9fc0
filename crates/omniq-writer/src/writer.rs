//! The handle of the writer thread: sends commands to it, and ends it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use omniq_core::storage::{
    ClaimRequest, Claimed, Enqueued, Hold, Lease, ProgressUpdate, PurgeRequest, Settled, Signal,
    Watch,
};
use omniq_core::{Change, NewTask, OwnerId, Result, Timestamp};
use tokio::sync::{broadcast, oneshot};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;

use crate::command::{Claim, Command, Enqueue, Job, RecordProgress, Renew, Settle, Write};
use crate::engine::Engine;
use crate::errors::no_thread;
use crate::inbox::Inbox;
use crate::neighbours::Neighbours;
use crate::orphans::OrphanFinder;
use crate::query::Query;
use crate::shared_data::SharedData;
use crate::shutdown::Shutdown;
use crate::thread::Thread;

/// How many signals a slow listener may be behind before it gets [`Signal::Unknown`] instead.
const SIGNALS: usize = 1_024;

/// How long a close or a drop waits for the last write.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// The handle of the writer thread. Dropping it has the effect of [`close`](Self::close), but blocks meanwhile.
pub struct Writer<E: Engine> {
    inbox: Arc<Inbox<Command<E>>>,
    /// The thread owns the senders, so that the streams of listeners end with it.
    signals: broadcast::WeakSender<Signal>,
    neighbours: Arc<Neighbours>,
    /// Closes the inbox and waits for the thread, when it is run or dropped.
    shutdown: Shutdown,
}

/// Closes the neighbours when the thread ends, even by a panic.
struct CloseNeighbours(Arc<Neighbours>);

impl Drop for CloseNeighbours {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<E: Engine> Writer<E> {
    /// Starts the thread. Without `shared`, no other process uses the data.
    ///
    /// # Errors
    ///
    /// Of kind [`Storage`](omniq_core::ErrorKind::Storage), if no thread can be started.
    pub fn start(
        engine: E,
        shared: Option<SharedData<'_>>,
        poll_interval: Duration,
    ) -> Result<Self> {
        let (signals, _) = broadcast::channel(SIGNALS);
        let weak_signals = signals.downgrade();
        let inbox = Arc::new(Inbox::new(E::NAME));
        let neighbours = shared.map(|shared| Neighbours::open(shared, &inbox, &signals));
        let neighbours = Arc::new(neighbours.unwrap_or_default());
        let work = Thread::new(
            engine,
            poll_interval,
            inbox.clone(),
            signals,
            neighbours.clone(),
        );
        let (disconnects, ended) = channel();
        let close_neighbours = CloseNeighbours(neighbours.clone());
        let thread = std::thread::Builder::new()
            .name("omniq-writer".into())
            .spawn(move || {
                // Dropped last, after all that the thread owns.
                let _disconnects = disconnects;
                let _close_neighbours = close_neighbours;
                work.run();
            })
            .map_err(|e| no_thread("writer", e))?;
        let closed = inbox.clone();
        let shutdown = Shutdown::new(move || {
            closed.close();
            wait_for(thread, &ended, E::NAME);
        });
        Ok(Self {
            inbox,
            signals: weak_signals,
            neighbours,
            shutdown,
        })
    }

    /// Notifies waiting claims and listeners, here and in other processes, that the data may have changed.
    pub fn ring(&self) {
        self.inbox.nudge();
        self.neighbours.ring();
    }

    /// Returns what finds orphaned leases.
    pub fn orphan_finder(&self) -> OrphanFinder {
        OrphanFinder::new(self.neighbours.clone())
    }

    /// Records that a task of this owner starts.
    pub fn mark_started(&self, owner: OwnerId, seat: usize, lease: Lease) {
        self.neighbours.mark_started(owner, seat, lease);
    }

    /// Adds tasks. [`Storage`](omniq_core::Storage) specifies this method and those below.
    ///
    /// # Errors
    ///
    /// Those of the engine; of kind [`Closed`](omniq_core::ErrorKind::Closed) after the thread has ended.
    pub async fn enqueue(&self, tasks: Vec<NewTask>, now: Timestamp) -> Result<Vec<Enqueued>> {
        self.work(Enqueue { tasks, now }, Command::Enqueue).await
    }

    /// Takes due tasks.
    ///
    /// # Errors
    ///
    /// As for [`enqueue`](Self::enqueue).
    pub async fn claim(&self, request: ClaimRequest) -> Result<Claimed> {
        self.neighbours.enter(request.owner);
        let (reply, answer) = oneshot::channel();
        let claim = Claim {
            request,
            reply,
            answer: Claimed::default(),
        };
        let delivery = self.ask(Command::Claim(Box::new(claim)), answer).await?;
        Ok(delivery.take())
    }

    /// Extends leases.
    ///
    /// # Errors
    ///
    /// As for [`enqueue`](Self::enqueue).
    pub async fn renew(&self, leases: Vec<Lease>, lease_for: Duration) -> Result<Vec<Hold>> {
        self.work(Renew { leases, lease_for }, Command::Renew).await
    }

    /// Stores progress.
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

    /// Applies changes.
    ///
    /// # Errors
    ///
    /// As for [`enqueue`](Self::enqueue).
    pub async fn settle(&self, changes: Vec<Change>, now: Timestamp) -> Result<Vec<Settled>> {
        self.work(Settle { changes, now }, Command::Settle).await
    }

    /// Deletes finished tasks.
    ///
    /// # Errors
    ///
    /// As for [`enqueue`](Self::enqueue).
    pub async fn purge(&self, request: PurgeRequest) -> Result<u64> {
        self.work(request, Command::Purge).await
    }

    /// Runs a query in the writer thread, for storages without threads that read.
    ///
    /// # Errors
    ///
    /// As for [`enqueue`](Self::enqueue).
    pub async fn query<T, Q>(&self, query: Q) -> Result<T>
    where
        Q: FnMut(&mut E::Reader) -> Result<T, E::Failure> + Send + 'static,
        T: Send + 'static,
    {
        let (query, answer) = Query::new(query);
        self.ask(Command::Query(query), answer).await
    }

    /// Returns a stream of all changes from this call on. It ends when the thread ends.
    pub fn watch(&self) -> Watch {
        let Some(signals) = self.signals.upgrade() else {
            return Box::pin(tokio_stream::empty());
        };
        let signals = BroadcastStream::new(signals.subscribe());
        // The thread sleeps without a timer while there are no listeners.
        self.inbox.nudge();
        // An error means that the listener fell behind.
        Box::pin(signals.map(|signal| signal.unwrap_or(Signal::Unknown)))
    }

    /// Ends the thread: commands that were queued before are executed, later ones fail with an error of kind
    /// [`Closed`](omniq_core::ErrorKind::Closed). Parked claims fail too, and the streams of
    /// [`watch`](Self::watch) end. No thread of a runtime is blocked meanwhile. Closing twice is allowed.
    ///
    /// If the thread needs longer than a second, because another process holds the write lock, for example, this
    /// returns, and the thread finishes by itself.
    ///
    /// # Errors
    ///
    /// Of kind [`Storage`](omniq_core::ErrorKind::Storage), if no thread can be started to wait for the writer.
    pub async fn close(&self) -> Result<()> {
        // Later calls fail immediately, even if no thread can be started.
        self.inbox.close();
        self.shutdown.run().await
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

/// Waits until the thread has written what was sent, but at most for [`LAST_WRITE`]: after that, the thread is left to
/// finish by itself.
fn wait_for(thread: JoinHandle<()>, ended: &Receiver<()>, name: &str) {
    match ended.recv_timeout(LAST_WRITE) {
        Err(RecvTimeoutError::Timeout) => {
            tracing::warn!("the last write to the {name} storage has not finished yet");
        }
        _ if thread.join().is_err() => {
            tracing::error!("the thread that writes for the {name} storage panicked");
        }
        _ => {}
    }
}
