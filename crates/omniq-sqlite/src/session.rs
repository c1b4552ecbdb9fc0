//! The connection that writes, and what is remembered of the database between batches.

use std::path::Path;
use std::time::Duration;

use omniq_core::storage::Effects;
use omniq_core::storage::{
    ClaimRequest, Claimed, Enqueued, Hold, Lease, ProgressUpdate, PurgeRequest, Settled,
};
use omniq_core::{Change, CoreSettings, Error, ErrorKind, NewTask, Result, Timestamp};
use omniq_writer::{CommitError, Committed, Engine};
use rusqlite::Connection;

use crate::heads::Heads;
use crate::ids::HighWater;
use crate::lanes::Lanes;
use crate::open;
use crate::reader::Reader;
use crate::trouble::{Failure, Place, explain, unknown};
use crate::write::{Alike, Batch};

pub(crate) struct Session {
    place: Place,
    settings: CoreSettings,
    /// Gone after a failed commit, until it is opened again.
    reader: Option<Reader>,
    heads: Heads,
    high_water: HighWater,
    alike: Alike,
    /// The version of the database that is remembered. None: nothing is.
    version: Option<i64>,
    effects: Effects,
    /// Rows that the connection had changed when the batch began.
    changes: u64,
}

impl Session {
    /// Opens the database, and makes it where it is missing.
    pub(crate) fn open(place: Place, settings: CoreSettings) -> Result<Self> {
        let reader = Reader {
            conn: open::writer(&place, &settings)?,
            lanes: Lanes::default(),
        };
        Ok(Self {
            place,
            settings,
            reader: Some(reader),
            heads: Heads::default(),
            high_water: HighWater::default(),
            alike: Alike::default(),
            version: None,
            effects: Effects::default(),
            changes: 0,
        })
    }

    /// What tells the database from every other.
    pub(crate) fn identity(&mut self) -> Result<String> {
        let conn = self
            .conn()
            .map_err(|e| omniq_writer::Failure::not_done(&e, self.place.path()))?;
        conn.query_row(include_str!("sql/identity.sql"), [], |row| row.get(0))
            .map_err(|e| explain(self.place.path(), "its identity can't be read", &e))
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
            heads: &mut self.heads,
            high_water: &mut self.high_water,
            alike: &mut self.alike,
            effects: &mut self.effects,
        })
    }

    /// A batch whose tasks are all written.
    fn whole_batch(&mut self) -> Result<Batch<'_>, Failure> {
        let mut batch = self.batch()?;
        batch.write_alike()?;
        Ok(batch)
    }

    /// Under the write lock: forgets what others may have changed. Says whether others wrote.
    fn refresh(&mut self) -> Result<bool, Failure> {
        let reader = self.reader.as_mut().ok_or_else(not_open)?;
        let version = data_version(&reader.conn)?;
        if self.version == Some(version) {
            return Ok(false);
        }
        if self.version.is_none() {
            // What was remembered may have been rolled back.
            reader.lanes = Lanes::load(&reader.conn)?;
            self.heads = Heads::default();
            self.alike = Alike::default();
        } else {
            reader.lanes.refresh(&reader.conn)?;
            let last = self.high_water.known();
            self.heads.others_wrote(&reader.conn, last)?;
        }
        self.high_water = HighWater::read(&reader.conn)?;
        self.version = Some(version);
        Ok(true)
    }

    fn try_to_commit(&mut self) -> Result<Committed, CommitError<Failure>> {
        let before = |e: Failure| CommitError::NotCommitted(e);
        self.whole_batch().map_err(before)?;
        let Reader { conn, .. } = self.reader.as_ref().ok_or_else(not_open).map_err(before)?;
        self.high_water.save(conn).map_err(before)?;
        let mut commit = conn
            .prepare_cached("COMMIT")
            .map_err(|e| before(e.into()))?;
        let unknown = |e| CommitError::Unknown(unknown(self.place.path(), &e));
        commit.execute([]).map_err(unknown)?;
        // Into a file that is no longer there, nothing was committed that anybody will find.
        conn.check()
            .map_err(|e| CommitError::Unknown(e.unknown()))?;
        let wrote = conn.total_changes() > self.changes;
        Ok(Committed::new(std::mem::take(&mut self.effects), wrote))
    }
}

impl Engine for Session {
    type Failure = Failure;
    type Reader = Reader;

    const NAME: &'static str = "SQLite";

    fn path(&self) -> &Path {
        self.place.path()
    }

    fn is_shared(&self) -> bool {
        matches!(self.place, Place::File(_))
    }

    fn others_wrote(&mut self) -> bool {
        let version = self.conn().map(data_version);
        !matches!(version, Ok(Ok(version)) if Some(version) == self.version)
    }

    fn prepare(&mut self) -> Result<()> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            gone => gone.insert(Reader {
                conn: open::writer_again(&self.place, &self.settings)?,
                lanes: Lanes::default(),
            }),
        };
        reader.conn.check()
    }

    fn begin(&mut self) -> Result<bool, Failure> {
        self.effects = Effects::default();
        self.alike.clear();
        let conn = self.conn()?;
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let changes = conn.total_changes();
        self.changes = changes;
        self.refresh()
    }

    fn enqueue(&mut self, tasks: &[NewTask], now: Timestamp) -> Result<Vec<Enqueued>, Failure> {
        self.batch()?.enqueue_all(tasks, now)
    }

    fn claim(&mut self, request: &ClaimRequest, now: Timestamp) -> Result<Claimed, Failure> {
        self.whole_batch()?.claim(request, now)
    }

    fn peek(&mut self, request: &ClaimRequest) -> Result<Claimed, Failure> {
        self.whole_batch()?.peek(request)
    }

    fn renew(&mut self, lease: Lease, lease_for: Duration) -> Result<Hold, Failure> {
        self.whole_batch()?.renew(lease, lease_for)
    }

    fn record_progress(&mut self, note: &ProgressUpdate, now: Timestamp) -> Result<bool, Failure> {
        self.whole_batch()?.record_progress(note, now)
    }

    fn settle(&mut self, change: &Change, now: Timestamp) -> Result<Settled, Failure> {
        self.whole_batch()?.settle(change, now)
    }

    fn purge(&mut self, request: &PurgeRequest) -> Result<u64, Failure> {
        self.whole_batch()?.purge(request)
    }

    fn reader(&mut self) -> Result<&mut Reader, Failure> {
        self.whole_batch()?;
        self.reader.as_mut().ok_or_else(not_open)
    }

    fn effects(&self) -> &Effects {
        &self.effects
    }

    fn commit(&mut self) -> Result<Committed, CommitError<Failure>> {
        let committed = self.try_to_commit();
        if committed.is_err() {
            self.version = None;
        }
        committed
    }

    /// SQLite may have ended the transaction by itself: a full disk does.
    fn roll_back(&mut self) {
        self.version = None;
        let Ok(conn) = self.conn() else { return };
        if !conn.is_autocommit() && conn.execute_batch("ROLLBACK").is_err() {
            self.reset();
        }
    }

    /// A database in memory lives and dies with its connection.
    fn reset(&mut self) {
        self.version = None;
        if self.is_shared() {
            self.reader = None;
        } else if let Ok(conn) = self.conn()
            && !conn.is_autocommit()
            && let Err(error) = conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a batch in memory can't be rolled back");
        }
    }
}

/// A number that changes when another connection has changed the database.
fn data_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))
}

fn not_open() -> Failure {
    Error::new(ErrorKind::Storage, "the database is not open")
        .retryable()
        .into()
}
