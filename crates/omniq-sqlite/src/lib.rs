//! Stores OmniQ's tasks in one SQLite file.
//!
//! One thread writes. All pending commands share a transaction, and each is answered after the commit, so
//! that many producers share each fsync. Two other threads read. The database may be the application's
//! own: our tables are called `omniq_*`.
//!
//! | module | what it does |
//! | --- | --- |
//! | `session` | implements the engine of `omniq-writer`: begins, commits and rolls back |
//! | `write` | the operations inside the transaction, one file for each |
//! | `lanes`, `lane_heads` | remember the lanes, and the first task of each |
//! | `reader` | executes queries on the reading threads |
//! | `open`, `pragmas`, `migrate` | open connections, configure them, and migrate the schema |
//! | `in_transaction` | enqueues and completes tasks in the application's own transactions |
//! | `forked`, `replaced_file`, `open_files_limit` | detect an open SQLite after a fork, a replaced file, too many open files |
//! | `errors` | turns SQLite's errors into errors for callers |
//! | `sql` | the statements; each header names the parameters, the guard and the changes |
//!
//! The source of an error that SQLite reported is the [`rusqlite::Error`], or in a transaction of sqlx its
//! `SqliteError`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod errors;
mod forked;
mod ids;
mod in_transaction;
mod lane_heads;
mod lanes;
mod location;
mod migrate;
mod open;
mod open_files_limit;
mod pragmas;
mod reader;
mod replaced_file;
mod row;
mod session;
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

use crate::errors::Failure;
use crate::in_transaction::OwnDatabase;
use crate::location::Location;
use crate::reader::{Query, Reader};
use crate::session::Session;

/// The number of reading threads: two, so that a long list does not delay a short query.
const READERS: usize = 2;

/// Tasks in a SQLite file. Safe for several processes on one machine at once.
pub struct SqliteStorage {
    /// The reading threads; absent for a database in memory. They end before the writer does: a connection that
    /// only reads can't fold the `-wal` into the database.
    readers: Option<Readers>,
    writer: Writer<Session>,
    orphan_finder: OrphanFinder,
    own_database: OwnDatabase,
    /// The defaults of orders in the application's own transactions, which pass no queue.
    settings: CoreSettings,
}

impl SqliteStorage {
    /// Opens the database at `path`, and creates it if it is missing; its folder must exist. The journal
    /// mode becomes WAL. Blocks for some milliseconds.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`](omniq_core::ErrorKind::Storage), with nothing changed: the folder is
    /// missing or not writable, the file is not a database, or a newer OmniQ wrote it.
    pub fn open(path: impl AsRef<Path>, settings: &impl AsRef<CoreSettings>) -> Result<Self> {
        Self::start(Location::File(path.as_ref().to_owned()), settings.as_ref())
    }

    /// Creates a database in the memory of this process. It ends with the storage.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`](omniq_core::ErrorKind::Storage), if SQLite or a thread can't be
    /// started.
    pub fn open_in_memory(settings: &impl AsRef<CoreSettings>) -> Result<Self> {
        Self::start(Location::Memory, settings.as_ref())
    }

    fn start(location: Location, settings: &CoreSettings) -> Result<Self> {
        let mut session = Session::open(location.clone(), settings.clone())?;
        let (mut readers, mut identity) = (None, None);
        if let Location::File(_) = location {
            identity = Some(session.identity()?);
            readers = Some(Readers::start(&location)?);
        }
        let shared = identity.as_ref().map(|identity| omniq_writer::SharedData {
            data: location.path(),
            identity,
            arrivals: None,
        });
        let writer = Writer::start(session, shared, settings.poll_interval)?;
        Ok(Self {
            readers,
            orphan_finder: writer.orphan_finder(),
            writer,
            own_database: OwnDatabase::new(location, identity),
            settings: settings.clone(),
        })
    }

    async fn query<T: Send + 'static>(
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
    fn start(location: &Location) -> Result<Self> {
        let queries = Arc::new(Inbox::new("SQLite"));
        let mut threads = Vec::new();
        let started = (0..READERS).try_for_each(|_| {
            threads.push(reader::spawn(location, &queries)?);
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
        Box::pin(self.query(move |reader| reader::held(&reader.conn, &leases)))
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
        Box::pin(self.query(move |reader| {
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
        Box::pin(self.query(move |reader| reader::get(&reader.conn, &reader.lanes, &ids)))
    }

    fn finished_or_unknown(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        Box::pin(self.query(move |reader| reader::finished(&reader.conn, &ids)))
    }

    fn list_tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>>> {
        Box::pin(self.query(move |reader| reader::list(&reader.conn, &reader.lanes, &filter)))
    }

    fn stats(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<LaneStats>>> {
        Box::pin(self.query(move |reader| reader::stats(&reader.conn, &reader.lanes, now)))
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
