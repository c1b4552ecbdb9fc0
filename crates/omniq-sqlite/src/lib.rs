//! OmniQ's tasks in one SQLite file.
//!
//! One thread writes: whatever waits shares a transaction, and an answer goes out after its commit, so
//! that many producers share each flush of the disk. Two threads look. The database may be the
//! application's own: our tables are called `omniq_*`.
//!
//! | where | what |
//! | --- | --- |
//! | `session` | the connection that `omniq-writer`'s thread writes with: begin, commit, roll back |
//! | `write` | what happens inside the transaction, one file an operation |
//! | `lanes`, `heads` | which lanes there are, and which has the next task |
//! | `reader` | what only looks |
//! | `open`, `pragmas`, `migrate` | connections, settings that are read back, the schema |
//! | `in_transaction` | tasks in transactions of the application's own |
//! | `forked` | no SQLite in a child that was forked while it was open |
//! | `sql` | each statement, with what goes in, what guards it and what it changes |
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod forked;
mod heads;
mod ids;
mod in_place;
mod in_transaction;
mod lanes;
mod limits;
mod migrate;
mod open;
mod pragmas;
mod reader;
mod row;
mod session;
mod trouble;
mod values;
mod wall_clock;
mod write;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::{
    BoxFuture, ClaimRequest, Claimed, Enqueued, Hold, LaneStats, Lease, Orphan, ProgressUpdate,
    PurgeRequest, Settled, Storage, TaskFilter, Watch,
};
use omniq_core::{Change, CoreSettings, NewTask, OwnerId, Result, Task, TaskId, Timestamp};
use omniq_writer::{Inbox, OrphanFinder, Shutdown, Writer};

use crate::in_transaction::Home;
use crate::reader::{Query, Reader};
use crate::session::Session;
use crate::trouble::{Failure, Place};

/// Threads that look, so that a long list does not hold up a short question.
const READERS: usize = 2;

/// Tasks in a SQLite file. Safe for several processes on one machine at once.
pub struct SqliteStorage {
    /// Threads that look, but for a database in memory. They end before the writer does: a connection that
    /// only looks can't fold the `-wal` into the database.
    readers: Option<Readers>,
    writer: Writer<Session>,
    orphan_finder: OrphanFinder,
    home: Home,
    /// What an order leaves open, in a transaction that passes no queue.
    settings: CoreSettings,
}

impl SqliteStorage {
    /// Opens the database at `path`, and makes it where it is missing; its folder must exist. The journal
    /// mode becomes WAL. Blocks for some milliseconds.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`](omniq_core::ErrorKind::Storage), with nothing changed: the folder is
    /// missing or not writable, the file is no database, or a newer OmniQ wrote it.
    pub fn open(path: impl AsRef<Path>, settings: &impl AsRef<CoreSettings>) -> Result<Self> {
        Self::start(Place::File(path.as_ref().to_owned()), settings.as_ref())
    }

    /// A database in the memory of this process. It ends with the storage.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`](omniq_core::ErrorKind::Storage), if SQLite or a thread can't be
    /// started.
    pub fn open_in_memory(settings: &impl AsRef<CoreSettings>) -> Result<Self> {
        Self::start(Place::Memory, settings.as_ref())
    }

    fn start(place: Place, settings: &CoreSettings) -> Result<Self> {
        let mut session = Session::open(place.clone(), settings.clone())?;
        let (mut readers, mut identity) = (None, None);
        if let Place::File(_) = place {
            identity = Some(session.identity()?);
            readers = Some(Readers::start(&place)?);
        }
        let shared = identity.as_ref().map(|identity| omniq_writer::SharedData {
            data: place.path(),
            identity,
            arrivals: None,
        });
        let writer = Writer::start(session, shared, settings.poll_interval)?;
        Ok(Self {
            readers,
            orphan_finder: writer.orphan_finder(),
            writer,
            home: Home::new(place, identity),
            settings: settings.clone(),
        })
    }

    async fn look<T: Send + 'static>(
        &self,
        ask: impl FnMut(&mut Reader) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T> {
        match &self.readers {
            Some(readers) => readers.queries.ask(ask).await,
            None => self.writer.query(ask).await,
        }
    }
}

/// Threads that read, each with a connection of its own. They end when this is closed or dropped.
struct Readers {
    queries: Arc<Inbox<Query>>,
    shutdown: Shutdown,
}

impl Readers {
    fn start(place: &Place) -> Result<Self> {
        let queries = Arc::new(Inbox::new("SQLite"));
        let mut threads = Vec::new();
        let started = (0..READERS).try_for_each(|_| {
            threads.push(reader::spawn(place, &queries)?);
            Ok(())
        });
        let closed = queries.clone();
        let shutdown = Shutdown::new(move || {
            closed.close();
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a thread that reads from the SQLite storage panicked");
                }
            }
        });
        // If one could not be started, the drop of `shutdown` ends the others.
        started?;
        Ok(Self { queries, shutdown })
    }
}

impl Storage for SqliteStorage {
    fn enqueue(&self, tasks: Vec<NewTask>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Enqueued>>> {
        Box::pin(self.writer.enqueue(tasks, now))
    }

    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Claimed>> {
        Box::pin(self.writer.claim(request))
    }

    fn renew(&self, leases: Vec<Lease>, lease_for: Duration) -> BoxFuture<'_, Result<Vec<Hold>>> {
        Box::pin(self.writer.renew(leases, lease_for))
    }

    fn held(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<Vec<Hold>>> {
        Box::pin(self.look(move |reader| reader::held(&reader.conn, &leases)))
    }

    fn record_progress(
        &self,
        updates: Vec<ProgressUpdate>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<bool>>> {
        Box::pin(self.writer.record_progress(updates, now))
    }

    fn settle(&self, changes: Vec<Change>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Settled>>> {
        Box::pin(self.writer.settle(changes, now))
    }

    fn orphans(&self, monotonic: Duration, limit: usize) -> BoxFuture<'_, Result<Vec<Orphan>>> {
        let orphan_finder = self.orphan_finder.clone();
        Box::pin(self.look(move |reader| {
            reader::orphans(
                &reader.conn,
                &reader.lanes,
                &orphan_finder,
                monotonic,
                limit,
            )
        }))
    }

    fn mark_started(&self, owner: OwnerId, seat: usize, lease: Lease) {
        self.writer.mark_started(owner, seat, lease);
    }

    fn get(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<Option<Task>>>> {
        Box::pin(self.look(move |reader| reader::get(&reader.conn, &reader.lanes, &ids)))
    }

    fn finished_or_unknown(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        Box::pin(self.look(move |reader| reader::finished(&reader.conn, &ids)))
    }

    fn list_tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>>> {
        Box::pin(self.look(move |reader| reader::list(&reader.conn, &reader.lanes, &filter)))
    }

    fn stats(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<LaneStats>>> {
        Box::pin(self.look(move |reader| reader::stats(&reader.conn, &reader.lanes, now)))
    }

    fn purge(&self, request: PurgeRequest) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.writer.purge(request))
    }

    fn watch(&self) -> Watch {
        self.writer.watch()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            if let Some(readers) = &self.readers {
                readers.shutdown.run().await?;
            }
            self.writer.close().await
        })
    }
}
