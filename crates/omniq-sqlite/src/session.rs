//! Implements the writer's engine: the connection that writes, and what it remembers between batches.

use std::path::Path;
use std::time::Duration;

use omniq_core::storage::{
    ClaimRequest, Claimed, Effects, Enqueued, Hold, Lease, ProgressUpdate, PurgeRequest, Settled,
};
use omniq_core::{Change, CoreSettings, Error, ErrorKind, NewTask, Result, Timestamp};
use omniq_writer::{CommitError, Committed, Engine};
use rusqlite::Connection;

use crate::errors::{Failure, commit_into_lost_file, explain, failed_commit};
use crate::ids::HighWater;
use crate::lane_heads::LaneHeads;
use crate::lanes::Lanes;
use crate::location::Location;
use crate::open;
use crate::reader::Reader;
use crate::write::{Batch, BulkInsert};

/// The connection that writes, and what is remembered of the database.
pub(crate) struct Session {
    location: Location,
    settings: CoreSettings,
    /// `None` after a failed commit, until the database is opened again.
    reader: Option<Reader>,
    lane_heads: LaneHeads,
    high_water: HighWater,
    bulk_insert: BulkInsert,
    /// The `data_version` of the database that is remembered. `None` if nothing is.
    remembered_version: Option<i64>,
    effects: Effects,
    /// How many rows the connection had changed when the batch began.
    changes_at_begin: u64,
}

impl Session {
    /// Opens the database, and creates it if it is missing.
    pub(crate) fn open(location: Location, settings: CoreSettings) -> Result<Self> {
        let reader = Reader {
            conn: open::writer(&location, &settings)?,
            lanes: Lanes::default(),
        };
        Ok(Self {
            location,
            settings,
            reader: Some(reader),
            lane_heads: LaneHeads::default(),
            high_water: HighWater::default(),
            bulk_insert: BulkInsert::default(),
            remembered_version: None,
            effects: Effects::default(),
            changes_at_begin: 0,
        })
    }

    /// Returns the identity that the database got when it was created.
    pub(crate) fn identity(&mut self) -> Result<String> {
        let conn = self
            .conn()
            .map_err(|e| omniq_writer::Failure::not_done(&e, self.location.path()))?;
        conn.query_row(include_str!("sql/database_identity.sql"), [], |row| {
            row.get(0)
        })
        .map_err(|e| explain(self.location.path(), "its identity can't be read", e))
    }

    fn conn(&self) -> Result<&Connection, Failure> {
        self.reader
            .as_ref()
            .map(|reader| &*reader.conn)
            .ok_or_else(not_open)
    }

    fn batch(&mut self) -> Result<Batch<'_>, Failure> {
        let Reader { conn, lanes } = self.reader.as_mut().ok_or_else(not_open)?;
        Ok(Batch {
            conn,
            lanes,
            lane_heads: &mut self.lane_heads,
            high_water: &mut self.high_water,
            bulk_insert: &mut self.bulk_insert,
            effects: &mut self.effects,
        })
    }

    /// Returns the batch after all its enqueued tasks are written.
    fn written_batch(&mut self) -> Result<Batch<'_>, Failure> {
        let mut batch = self.batch()?;
        batch.write_bulk()?;
        Ok(batch)
    }

    /// Discards what other connections may have changed. Returns whether they wrote. The write lock is held.
    fn refresh(&mut self) -> Result<bool, Failure> {
        let reader = self.reader.as_mut().ok_or_else(not_open)?;
        let version = data_version(&reader.conn)?;
        if self.remembered_version == Some(version) {
            return Ok(false);
        }
        if self.remembered_version.is_none() {
            // What was remembered may have been rolled back.
            reader.lanes = Lanes::load(&reader.conn)?;
            self.lane_heads = LaneHeads::default();
            self.bulk_insert = BulkInsert::default();
        } else {
            reader.lanes.refresh(&reader.conn)?;
            let last = self.high_water.known();
            self.lane_heads.others_wrote(&reader.conn, last)?;
        }
        self.high_water = HighWater::read(&reader.conn)?;
        self.remembered_version = Some(version);
        Ok(true)
    }

    fn try_to_commit(&mut self) -> Result<Committed, CommitError<Failure>> {
        let not_committed = |e: Failure| CommitError::NotCommitted(e);
        self.written_batch().map_err(not_committed)?;
        let Reader { conn, .. } = self
            .reader
            .as_ref()
            .ok_or_else(not_open)
            .map_err(not_committed)?;
        self.high_water.save(conn).map_err(not_committed)?;
        let mut commit = conn
            .prepare_cached("COMMIT")
            .map_err(|e| not_committed(e.into()))?;
        let path = self.location.path();
        commit
            .execute([])
            .map_err(|e| CommitError::Unknown(failed_commit(path, e)))?;
        // Nobody will find what was committed into a file that was removed or replaced.
        conn.check()
            .map_err(|e| CommitError::Unknown(commit_into_lost_file(path, e)))?;
        let wrote = conn.total_changes() > self.changes_at_begin;
        Ok(Committed::new(std::mem::take(&mut self.effects), wrote))
    }
}

impl Engine for Session {
    type Failure = Failure;
    type Reader = Reader;

    const NAME: &'static str = "SQLite";

    fn path(&self) -> &Path {
        self.location.path()
    }

    fn is_shared(&self) -> bool {
        matches!(self.location, Location::File(_))
    }

    fn others_wrote(&mut self) -> bool {
        let version = self.conn().map(data_version);
        !matches!(version, Ok(Ok(version)) if Some(version) == self.remembered_version)
    }

    fn prepare(&mut self) -> Result<()> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            closed => closed.insert(Reader {
                conn: open::reopen_writer(&self.location, &self.settings)?,
                lanes: Lanes::default(),
            }),
        };
        reader.conn.check()
    }

    fn begin(&mut self) -> Result<bool, Failure> {
        self.effects = Effects::default();
        self.bulk_insert.clear();
        let conn = self.conn()?;
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.changes_at_begin = conn.total_changes();
        self.refresh()
    }

    fn enqueue(&mut self, tasks: &[NewTask], now: Timestamp) -> Result<Vec<Enqueued>, Failure> {
        self.batch()?.enqueue_all(tasks, now)
    }

    fn claim(&mut self, request: &ClaimRequest, now: Timestamp) -> Result<Claimed, Failure> {
        self.written_batch()?.claim(request, now)
    }

    fn peek(&mut self, request: &ClaimRequest) -> Result<Claimed, Failure> {
        self.written_batch()?.peek(request)
    }

    fn renew(&mut self, lease: Lease, lease_for: Duration) -> Result<Hold, Failure> {
        self.written_batch()?.renew(lease, lease_for)
    }

    fn record_progress(
        &mut self,
        update: &ProgressUpdate,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        self.written_batch()?.record_progress(update, now)
    }

    fn settle(&mut self, change: &Change, now: Timestamp) -> Result<Settled, Failure> {
        self.written_batch()?.settle(change, now)
    }

    fn purge(&mut self, request: &PurgeRequest) -> Result<u64, Failure> {
        self.written_batch()?.purge(request)
    }

    fn reader(&mut self) -> Result<&mut Reader, Failure> {
        self.written_batch()?;
        self.reader.as_mut().ok_or_else(not_open)
    }

    fn effects(&self) -> &Effects {
        &self.effects
    }

    fn commit(&mut self) -> Result<Committed, CommitError<Failure>> {
        let committed = self.try_to_commit();
        if committed.is_err() {
            self.remembered_version = None;
        }
        committed
    }

    /// Rolls back, unless SQLite has ended the transaction by itself, as it does on a full disk.
    fn roll_back(&mut self) {
        self.remembered_version = None;
        let Ok(conn) = self.conn() else { return };
        if !conn.is_autocommit() && conn.execute_batch("ROLLBACK").is_err() {
            self.reset();
        }
    }

    /// Closes the connection, except that to a database in memory, which would end with it.
    fn reset(&mut self) {
        self.remembered_version = None;
        if self.is_shared() {
            self.reader = None;
        } else if let Ok(conn) = self.conn()
            && !conn.is_autocommit()
            && let Err(error) = conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a batch of a database in memory can't be rolled back");
        }
    }
}

/// Returns a number that changes when another connection has changed the database.
fn data_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))
}

fn not_open() -> Failure {
    Error::new(ErrorKind::Storage, "the database is not open")
        .retryable()
        .into()
}
