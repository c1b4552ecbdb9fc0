//! OmniQ's tasks in one SQLite file.
//!
//! One thread writes: whatever waits shares a transaction, and an answer goes out after its commit, so
//! that many producers share each flush of the disk. Two threads look. The database may be the
//! application's own: our tables are called `omniq_*`.
//!
//! | where | what |
//! | --- | --- |
//! | `writer` | the batch: begin, work, commit, answer; and what a failure means |
//! | `command`, `inbox` | what the writer can be asked for, and where that waits |
//! | `write` | what happens inside the transaction, one file an operation |
//! | `reader` | what only looks |
//! | `open`, `pragmas`, `migrate` | connections, settings that are read back, the schema |
//! | `in_transaction` | tasks in transactions of the application's own |
//! | `local`, `idle`, `lookout` | the other processes: the doorbell, who is gone, whose turn it is |
//! | `forked` | no SQLite in a child that was forked while it was open |
//! | `sql` | each statement, with what goes in, what guards it and what it changes |
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod command;
mod forked;
mod idle;
mod ids;
mod in_place;
mod in_transaction;
mod inbox;
mod known;
mod lanes;
mod limits;
mod local;
mod lookout;
mod migrate;
mod open;
mod pragmas;
mod reader;
mod row;
mod trouble;
mod values;
mod wall_clock;
mod write;
mod writer;

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use omniq_core::storage::{
    BoxFuture, ClaimRequest, Claimed, Enqueued, Hold, LaneStats, Lease, LeaseWatch, Note, Orphan,
    PurgeRequest, Settled, Signal, Storage, TaskFilter, Watch,
};
use omniq_core::{
    Change, CoreSettings, Error, ErrorKind, NewTask, OwnerId, Result, Task, TaskId, Timestamp,
};
use rusqlite::Connection;
use tokio::sync::{broadcast, oneshot};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::BroadcastStream;

use crate::command::{Claim, Command, Enqueue, Job, Notes, Renew, Settle};
use crate::in_transaction::Home;
use crate::inbox::{Inbox, closed};
use crate::lanes::Lanes;
use crate::local::Local;
use crate::reader::Look;
use crate::trouble::{Failure, Place};
use crate::writer::Writer;

/// How many signals a slow listener may be behind before it is told to look.
const SIGNALS: usize = 1_024;

/// How long a drop waits for the last write.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// Threads that look, so that a long list does not hold up a short question.
const READERS: usize = 2;

/// Tasks in a SQLite file. Safe for several processes on one machine at once.
pub struct SqliteStorage {
    inbox: Arc<Inbox<Command>>,
    looks: Option<Arc<Inbox<Look>>>,
    bell: broadcast::Sender<Signal>,
    leases: Arc<Mutex<LeaseWatch>>,
    local: Arc<Local>,
    home: Home,
    /// What an order leaves open, in a transaction that passes no queue.
    settings: CoreSettings,
    /// The thread, and what hangs up when it ends.
    writer: Option<(JoinHandle<()>, Mutex<Receiver<()>>)>,
    readers: Vec<JoinHandle<()>>,
}

impl SqliteStorage {
    /// Opens the database at `path`, and makes it where it is missing; its folder must exist. The journal
    /// mode becomes WAL. Blocks for some milliseconds.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`], with nothing changed: the folder is missing or not writable, the
    /// file is no database, or a newer OmniQ wrote it.
    pub fn open(path: impl AsRef<Path>, settings: &impl AsRef<CoreSettings>) -> Result<Self> {
        Self::start(Place::File(path.as_ref().to_owned()), settings.as_ref())
    }

    /// A database in the memory of this process. It ends with the storage.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`], if SQLite or a thread can't be started.
    pub fn open_in_memory(settings: &impl AsRef<CoreSettings>) -> Result<Self> {
        Self::start(Place::Memory, settings.as_ref())
    }

    fn start(place: Place, settings: &CoreSettings) -> Result<Self> {
        let (bell, _) = broadcast::channel(SIGNALS);
        let inbox = Arc::new(Inbox::default());
        let writer = Writer::new(place.clone(), settings.clone(), inbox.clone(), bell.clone())?;
        let mut storage = Self {
            inbox,
            looks: None,
            bell,
            leases: Arc::default(),
            local: writer.local(),
            home: Home::new(place.clone(), writer.local().identity()),
            settings: settings.clone(),
            writer: None,
            readers: Vec::new(),
        };
        let (hangs_up, ended) = channel();
        let thread = std::thread::Builder::new().name("omniq-writer".into());
        let thread = thread
            .spawn(move || {
                let _hangs_up = hangs_up;
                writer.run();
            })
            .map_err(|e| no_thread("writer", e))?;
        storage.writer = Some((thread, Mutex::new(ended)));
        if let Place::File(_) = place {
            let looks = storage.looks.insert(Arc::new(Inbox::default()));
            for _ in 0..READERS {
                storage.readers.push(reader::spawn(&place, looks)?);
            }
        }
        Ok(storage)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce() -> (Command, oneshot::Receiver<Result<T>>),
    ) -> Result<T> {
        let (command, answer) = command();
        self.inbox.send(command.is_urgent(), command).await?;
        answer.await.map_err(|_| closed())?
    }

    async fn look<T: Send + 'static>(
        &self,
        ask: impl FnMut(&Connection, &mut Lanes) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        let (look, answer) = Look::new(ask);
        match &self.looks {
            Some(looks) => looks.send(false, look).await?,
            None => self.inbox.send(true, Command::Look(look)).await?,
        }
        answer.await.map_err(|_| closed())?
    }
}

impl Drop for SqliteStorage {
    /// What was sent is still written; then the threads end and the file is closed. The writer goes last:
    /// a connection that only looks can't fold the `-wal` into the database. If another process holds the
    /// write lock, the writer is left to finish by itself after a second.
    fn drop(&mut self) {
        if let Some(looks) = &self.looks {
            looks.close();
        }
        self.readers.drain(..).for_each(end);
        self.inbox.close();
        if let Some((thread, ended)) = self.writer.take() {
            let ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
            match ended.recv_timeout(LAST_WRITE) {
                Err(RecvTimeoutError::Timeout) => {
                    tracing::warn!("the database is still being written")
                }
                _ => end(thread),
            }
        }
    }
}

fn end(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread of the SQLite storage panicked");
    }
}

impl Storage for SqliteStorage {
    fn enqueue(&self, tasks: Vec<NewTask>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Enqueued>>> {
        Box::pin(self.ask(move || {
            let (job, answer) = Job::new(Enqueue { tasks, now });
            (Command::Enqueue(job), answer)
        }))
    }

    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Claimed>> {
        Box::pin(async move {
            self.local.enter(request.owner);
            let catch = self.ask(move || {
                let (reply, answer) = oneshot::channel();
                let claim = Claim {
                    request,
                    reply,
                    answer: Claimed::default(),
                };
                (Command::Claim(Box::new(claim)), answer)
            });
            catch.await.map(|catch| catch.take())
        })
    }

    fn renew(&self, leases: Vec<Lease>, lease_for: Duration) -> BoxFuture<'_, Result<Vec<Hold>>> {
        Box::pin(self.ask(move || {
            let (job, answer) = Job::new(Renew { leases, lease_for });
            (Command::Renew(job), answer)
        }))
    }

    fn held(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<Vec<Hold>>> {
        Box::pin(self.look(move |conn, _| reader::held(conn, &leases)))
    }

    fn note(&self, notes: Vec<Note>, now: Timestamp) -> BoxFuture<'_, Result<Vec<bool>>> {
        Box::pin(self.ask(move || {
            let (job, answer) = Job::new(Notes { notes, now });
            (Command::Note(job), answer)
        }))
    }

    fn settle(&self, changes: Vec<Change>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Settled>>> {
        Box::pin(self.ask(move || {
            let (job, answer) = Job::new(Settle { changes, now });
            (Command::Settle(job), answer)
        }))
    }

    fn orphans(&self, steady: Duration, limit: usize) -> BoxFuture<'_, Result<Vec<Orphan>>> {
        let (local, watch) = (self.local.clone(), self.leases.clone());
        Box::pin(
            self.look(move |conn, lanes| {
                reader::orphans(conn, lanes, &local, &watch, steady, limit)
            }),
        )
    }

    fn started(&self, owner: OwnerId, seat: usize, lease: Lease) {
        self.local.started(owner, seat, lease);
    }

    fn get(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<Option<Task>>>> {
        Box::pin(self.look(move |conn, lanes| reader::get(conn, lanes, &ids)))
    }

    fn finished(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        Box::pin(self.look(move |conn, _| reader::finished(conn, &ids)))
    }

    fn list_tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>>> {
        Box::pin(self.look(move |conn, lanes| reader::list(conn, lanes, &filter)))
    }

    fn stats(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<LaneStats>>> {
        Box::pin(self.look(move |conn, lanes| reader::stats(conn, lanes, now)))
    }

    fn purge(&self, request: PurgeRequest) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.ask(move || {
            let (job, answer) = Job::new(request);
            (Command::Purge(job), answer)
        }))
    }

    fn watch(&self) -> Watch {
        let signals = BroadcastStream::new(self.bell.subscribe());
        // The writer sleeps without a timer while nobody listens.
        self.inbox.nudge();
        Box::pin(signals.map(|signal| signal.unwrap_or(Signal::Unknown)))
    }
}

fn no_thread(what: &str, error: std::io::Error) -> Error {
    let text = format!("the {what} thread of the SQLite storage can't be started: {error}");
    Error::new(ErrorKind::Storage, text)
        .with_source(error)
        .retryable()
}
