//! Implements the writer's engine: the connection that writes, and what it remembers between batches.

use std::path::Path;
use std::sync::TryLockError;
use std::time::Duration;

use omniq_core::storage::{
    ClaimRequest, Claimed, Effects, Enqueued, Hold, Lease, ProgressUpdate, PurgeRequest, Settled,
};
use omniq_core::{Change, CoreSettings, Error, ErrorKind, NewTask, Result, Timestamp};
use omniq_writer::{CommitError, Committed, Engine};
use rusqlite::Connection;

use crate::companion_files::{Lost, SharedCompanions};
use crate::errors::{Failure, commit_into_lost_file, explain, failed_commit};
use crate::ids::HighWater;
use crate::lane_heads::LaneHeads;
use crate::lanes::Lanes;
use crate::location::Location;
use crate::open::{self, LostFile, Opened};
use crate::open_files_limit;
use crate::overwritten::{ContentGuard, older_copy};
use crate::pragmas;
use crate::read_only::{is_refused_write, no_writes};
use crate::reader::{Reader, ReaderSlot};
use crate::replaced_file::FileId;
use crate::wal_size::WalSize;
use crate::write::{Batch, BulkInsert};

/// How long a checkpoint waits for other connections that read.
const CHECKPOINT_WAIT: Duration = Duration::from_millis(100);

/// The connection that writes, and what is remembered of the database.
pub(crate) struct Session {
    location: Location,
    settings: CoreSettings,
    /// The file that was opened first. No other file is accepted in its place.
    original: FileId,
    /// The connections of the threads that read.
    reader_slots: Vec<ReaderSlot>,
    /// `None` after a failed commit, until the database is opened again.
    reader: Option<Reader>,
    /// Whether to open the database again before the next batch.
    must_reopen: bool,
    companions: SharedCompanions,
    content_guard: Option<ContentGuard>,
    wal_size: WalSize,
    lane_heads: LaneHeads,
    high_water: HighWater,
    /// The largest id that was read or committed.
    newest_id: i64,
    bulk_insert: BulkInsert,
    /// The `data_version` of the database that is remembered. `None` if nothing is.
    remembered_version: Option<i64>,
    effects: Effects,
    /// How many rows the connection had changed when the batch began.
    changes_at_begin: u64,
}

impl Session {
    /// Opens the database, and creates it if it is missing. Opens it for reading only if it exists and can't be written.
    pub(crate) fn open(location: Location, settings: CoreSettings) -> Result<Self> {
        let (conn, location) = match open::writer(&location, &settings) {
            Ok(conn) => (conn, location),
            Err(error) => open_read_only(&location, error)?,
        };
        let lanes = Lanes::default();
        let reader = Reader { conn, lanes };
        let companions = SharedCompanions::default();
        companions.set(reader.conn.companions());
        Ok(Self {
            location,
            settings,
            original: reader.conn.file(),
            reader_slots: Vec::new(),
            reader: Some(reader),
            must_reopen: false,
            companions,
            content_guard: None,
            wal_size: WalSize::default(),
            lane_heads: LaneHeads::default(),
            high_water: HighWater::default(),
            newest_id: 0,
            bulk_insert: BulkInsert::default(),
            remembered_version: None,
            effects: Effects::default(),
            changes_at_begin: 0,
        })
    }

    /// Returns the identity that the database got when it was created, and guards it from now on.
    pub(crate) fn identity(&mut self) -> Result<String> {
        let conn = self
            .conn()
            .map_err(|e| omniq_writer::Failure::not_done(&e, self.location.path()))?;
        let identity: String = conn
            .query_row(include_str!("sql/database_identity.sql"), [], |row| {
                row.get(0)
            })
            .map_err(|e| explain(self.location.path(), "its identity can't be read", e))?;
        if !self.is_read_only() {
            self.content_guard = Some(ContentGuard::new(identity.clone()));
        }
        Ok(identity)
    }

    /// Returns the location, which may have become read-only.
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// Returns the file that was opened.
    pub(crate) fn original(&self) -> FileId {
        self.original
    }

    /// Returns the `-wal` and the `-shm` that the writer has open at present, also after it has opened others.
    pub(crate) fn companions(&self) -> SharedCompanions {
        self.companions.clone()
    }

    /// Tells the session which connections to close together with its own.
    pub(crate) fn set_readers(&mut self, slots: Vec<ReaderSlot>) {
        self.reader_slots = slots;
    }

    /// Leaves a `-wal` or `-shm` that was removed or replaced, and opens the database with new ones. If nobody can
    /// have used new ones yet, everything that was committed is written into the database first.
    fn leave_lost_files(&mut self, lost: Lost) -> Result<()> {
        let slots = self.reader_slots.clone();
        let mut readers = Vec::new();
        for slot in &slots {
            match slot.try_lock() {
                Ok(reader) => readers.push(reader),
                Err(TryLockError::Poisoned(poisoned)) => readers.push(poisoned.into_inner()),
                // It answers a long query.
                Err(TryLockError::WouldBlock) => return Err(lost.error),
            }
        }
        for reader in &mut readers {
            **reader = None;
        }
        if lost.only_removed {
            self.save_wal(&lost.error)?;
        }
        self.close();
        self.reopen()
    }

    /// Writes everything that was committed into the database.
    fn save_wal(&mut self, lost: &Error) -> Result<()> {
        let path = self.location.path();
        let Ok(conn) = self.conn() else { return Ok(()) };
        if !conn.is_autocommit() {
            conn.execute_batch("ROLLBACK")
                .map_err(|e| explain(path, "can't be rolled back", e))?;
        }
        let checkpoint = pragmas::checkpoint(conn, path, "TRUNCATE", CHECKPOINT_WAIT)?;
        if checkpoint.is_busy {
            return Err(lost.clone());
        }
        tracing::warn!(
            storage = %path.display(),
            error = %lost.chain(),
            "a file was removed while it was open; its content is saved"
        );
        Ok(())
    }

    /// Writes the `-wal` of a database that was removed or replaced into that file, so that no program that opens the
    /// copy in its place takes this `-wal` for the copy's. If that fails, the next batch tries again.
    fn empty_wal_of_lost_file(&self) {
        let Some(reader) = &self.reader else { return };
        if reader.conn.read_wal_length() == 0 || !reader.conn.is_autocommit() {
            return;
        }
        let path = self.location.path();
        if let Err(error) = pragmas::checkpoint(&reader.conn, path, "TRUNCATE", Duration::ZERO) {
            tracing::debug!(error = %error.chain(), "the -wal of a lost file can't be emptied");
        }
    }

    fn is_read_only(&self) -> bool {
        matches!(self.location, Location::ReadOnly(_))
    }

    /// Truncates the `-wal` if it is too large. Returns when to try again.
    fn limit_wal(&mut self) -> Option<Duration> {
        let reader = self.reader.as_ref()?;
        let may_write = !self.must_reopen && !self.is_read_only() && reader.conn.is_autocommit();
        may_write.then(|| self.wal_size.limit(&reader.conn, self.location.path()))?
    }

    fn close(&mut self) {
        self.remembered_version = None;
        self.must_reopen = false;
        self.wal_size = WalSize::default();
        self.reader = None;
    }

    fn reopen(&mut self) -> Result<()> {
        let conn = open::reopen_writer(&self.location, &self.settings, self.original)?;
        self.companions.set(conn.companions());
        let lanes = Lanes::default();
        self.reader = Some(Reader { conn, lanes });
        Ok(())
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
        let newest = self.high_water.known().unwrap_or_default();
        if newest < self.newest_id {
            return Err(older_copy(self.location.path()).into());
        }
        self.newest_id = newest;
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
            .map_err(|lost| CommitError::Unknown(commit_into_lost_file(path, lost.into_error())))?;
        self.newest_id = self.newest_id.max(self.high_water.known().unwrap_or(0));
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
        if self.is_read_only() {
            return false;
        }
        let Some(reader) = &self.reader else {
            return true;
        };
        let version = data_version(&reader.conn);
        // A batch notices a lost file, and saves what it contains.
        !matches!(version, Ok(version) if Some(version) == self.remembered_version)
            || reader.conn.check().is_err()
    }

    fn prepare(&mut self) -> Result<()> {
        if self.is_read_only() {
            return Err(no_writes(self.location.path()));
        }
        match self.reader.as_ref().map(|reader| reader.conn.check()) {
            None => self.reopen()?,
            Some(Err(LostFile::Main(error))) => {
                self.empty_wal_of_lost_file();
                return Err(error);
            }
            Some(Err(LostFile::Changed(error))) => return Err(error),
            Some(Err(LostFile::Companion(lost))) => self.leave_lost_files(lost)?,
            Some(Ok(())) => {}
        }
        if let (Some(reader), Some(guard)) = (&self.reader, &mut self.content_guard) {
            guard.check(&reader.conn, &self.location)?;
        }
        if self.must_reopen {
            self.close();
            self.reopen()?;
        }
        self.limit_wal();
        Ok(())
    }

    fn idle(&mut self) -> Option<Duration> {
        self.limit_wal()
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

    /// Closes the connection, except that to a database in memory, which would end with it. A connection to a lost
    /// or overwritten file stays open until the file is back or its content is saved.
    fn reset(&mut self) {
        self.remembered_version = None;
        if self.is_shared() {
            let reader = self.reader.as_ref();
            let is_lost = reader.is_some_and(|reader| reader.conn.check().is_err());
            let guard = self.content_guard.as_ref();
            if is_lost || guard.is_some_and(ContentGuard::has_refused) {
                self.must_reopen = true;
            } else {
                self.close();
            }
        } else if let Ok(conn) = self.conn()
            && !conn.is_autocommit()
            && let Err(error) = conn.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a batch of a database in memory can't be rolled back");
        }
    }
}

/// Opens a database for reading, if it can't be opened for writing because of this error.
fn open_read_only(location: &Location, error: Error) -> Result<(Opened, Location)> {
    let Location::File(path) = location else {
        return Err(error);
    };
    if !is_refused_write(&error) || !path.is_file() || open_files_limit::is_reached(path) {
        return Err(error);
    }
    let location = Location::ReadOnly(path.clone());
    let opened = open::read_only(&location).map_err(|found| {
        // The reason why the database can't be read says more, if it is another one.
        if is_refused_write(&found) {
            error
        } else {
            found
        }
    })?;
    tracing::warn!(storage = %path.display(), "the database can't be written: opened for reading only");
    Ok((opened, location))
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
