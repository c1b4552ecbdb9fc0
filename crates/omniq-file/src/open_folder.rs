//! An open folder: its lock, its log, and how much of the log has been applied to the files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use omniq_core::{CoreSettings, Durability};
use omniq_writer::CommitError;
use omniq_writer::ipc::BootId;

use crate::apply::Apply;
use crate::disk::{Disk, OpenFile};
use crate::errors::{Failure, chain, unknown};
use crate::incoming::Incoming;
use crate::layout;
use crate::lock::Lock;
use crate::log::{Epoch, FLUSH_FAILED, Log, Position, UNFLUSHED};
use crate::op::Op;
use crate::paths::Paths;
use crate::rebuild;
use crate::store::Store;

/// A log that is longer than this is checkpointed.
const CHECKPOINT_AT: u64 = if cfg!(test) { 24 << 10 } else { 48 << 20 };

pub(crate) struct OpenFolder {
    pub(crate) identity: String,
    durability: Durability,
    pub(crate) store: Store,
    log: Log,
    /// Where the next record of the log begins, as far as this process has read it.
    end: Position,
    disk: Arc<dyn Disk>,
    lock: Lock,
    epoch: Epoch,
    /// `queue/applied`: how much of the log has been applied to the files.
    applied: Box<dyn OpenFile>,
    /// Some records before `end` have not been applied to the files.
    files_are_behind: bool,
    /// A flush failed and [`FLUSH_FAILED`] could not be written: the lock is kept until a checkpoint succeeds.
    keeps_lock: bool,
    boot: BootId,
    incoming: Incoming,
}

impl OpenFolder {
    /// Opens a folder and locks it; creates it if it is missing. Finishes what a crash interrupted.
    pub(crate) fn new(
        base: &Path,
        disk: &Arc<dyn Disk>,
        settings: &CoreSettings,
    ) -> Result<Self, Failure> {
        let paths = Paths::new(base);
        layout::ensure_folder(&**disk, &paths, "queue")?;
        let boot = disk.boot();
        let lock = Lock::open(&**disk, &paths, &boot)?;
        let identity = layout::prepare(&**disk, &paths)?;
        let mut log = Log::open(&**disk, &paths.at("queue/redo"))?;
        let applied = disk.open(&paths.at("queue/applied"))?;
        let (epoch, is_new) = match log.epoch()? {
            Some(epoch) => (epoch, false),
            None => {
                let epoch = Epoch::first(&boot);
                log.begin(&epoch)?;
                (epoch, true)
            }
        };
        let mut open = Self {
            identity,
            durability: settings.durability,
            store: Store::new(disk.clone(), paths),
            log,
            end: Position::start(&epoch),
            disk: disk.clone(),
            lock,
            epoch,
            applied,
            files_are_behind: false,
            keeps_lock: false,
            boot,
            incoming: Incoming::new(settings.clone()),
        };
        open.recover(is_new)?;
        Ok(open)
    }

    /// Applies to the files what the log has. After a reboot it is unknown which files reached the disk, so all records
    /// of the epoch are applied again; so they are if the operating system has no boot id.
    fn recover(&mut self, is_new: bool) -> Result<(), Failure> {
        let same_boot = self.epoch.boot.is_same_as(&self.boot) == Some(true);
        self.store.forget_all()?;
        let recorded = self.read_applied()?;
        if !same_boot {
            let start = Position::start(&self.epoch);
            self.applied.write_at(&start.to_bytes(), 0)?;
        }
        self.end = self.applied_position()?;
        self.read_new_records()?;
        let lost_records = recorded.is_some_and(|recorded| recorded.is_beyond(self.end));
        let recorded_id = recorded.map_or(0, |recorded| recorded.high_water);
        self.end.high_water = self.end.high_water.max(recorded_id);
        self.apply_log()?;
        self.store.forget_all()?;
        let was_unflushed = !same_boot && self.epoch.flags & UNFLUSHED != 0;
        let lost_lanes = !self.store.lanes.unreadable.is_empty();
        let is_complete = !lost_records && !lost_lanes && rebuild::is_complete(&self.store)?;
        let needs_rebuild = was_unflushed || is_new || !is_complete;
        if needs_rebuild {
            self.rebuild()?;
        }
        if !same_boot || needs_rebuild || self.epoch.flags & FLUSH_FAILED != 0 {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Builds the index from the files, and repairs the files.
    fn rebuild(&mut self) -> Result<(), Failure> {
        self.store.high_water = self.end.high_water;
        self.end.high_water = rebuild::rebuild(&mut self.store)?;
        if !self.store.batch.ops.is_empty() {
            self.append().map_err(|error| match error {
                CommitError::NotCommitted(failure) => failure,
                CommitError::Unknown(error) => error.into(),
            })?;
            self.apply_batch()?;
        }
        self.store.forget_all()?;
        Ok(())
    }

    /// Returns what `queue/applied` says, of whichever epoch.
    fn read_applied(&self) -> io::Result<Option<Position>> {
        let mut bytes = [0; 64];
        let read = self.applied.read_at(&mut bytes, 0)?;
        Ok(Position::from_bytes(&bytes[..read]))
    }

    /// Returns how much of this epoch's log has been applied to the files.
    fn applied_position(&self) -> io::Result<Position> {
        let start = Position::start(&self.epoch);
        Ok(match self.read_applied()? {
            Some(applied) if applied.epoch == start.epoch => applied,
            _ => start,
        })
    }

    /// Reads the records that follow `end`, and returns their steps.
    fn read_new_records(&mut self) -> Result<Vec<Op>, Failure> {
        let mut ops = Vec::new();
        while let Some(record) = self.log.read(self.end)? {
            ops.extend(read_ops(&record.body)?);
            self.end = record.end;
            self.files_are_behind = true;
        }
        Ok(ops)
    }

    /// Applies the records that are not in the files yet: the process that committed them may have died.
    fn apply_log(&mut self) -> Result<(), Failure> {
        let mut position = self.applied_position()?;
        while position.at < self.end.at {
            let record = self.log.read(position)?;
            let record = record.ok_or_else(|| io::Error::other("the log has a gap"))?;
            self.apply(&read_ops(&record.body)?)?;
            position = record.end;
            self.applied.write_at(&position.to_bytes(), 0)?;
        }
        self.files_are_behind = false;
        Ok(())
    }

    fn apply(&mut self, ops: &[Op]) -> io::Result<()> {
        let store = &mut self.store;
        let mut apply = Apply {
            disk: &*self.disk,
            paths: &mut store.paths,
            files: &mut store.files,
        };
        apply.all(ops)
    }

    /// Applies the whole log, flushes the files, and begins a new epoch.
    fn checkpoint(&mut self) -> Result<(), Failure> {
        self.apply_log()?;
        self.disk.sync_all(self.store.paths.base())?;
        let epoch = self.epoch.next(self.end.high_water, &self.boot);
        self.log.begin(&epoch)?;
        self.epoch = epoch;
        self.end = Position::start(&self.epoch);
        self.keeps_lock = false;
        self.applied.write_at(&self.end.to_bytes(), 0)?;
        Ok(())
    }

    /// Whether another process has written or dropped a file since the last batch. It takes no lock.
    pub(crate) fn others_wrote(&mut self) -> io::Result<bool> {
        let epoch = self.log.epoch()?;
        let same_epoch = epoch.is_some_and(|epoch| epoch.number == self.epoch.number);
        Ok(!same_epoch
            || self.files_are_behind
            || self.log.goes_on(self.end)?
            || self.incoming.has_files(&self.store)?)
    }

    /// Whether the folder is still the one that was opened.
    pub(crate) fn is_in_place(&self) -> bool {
        self.lock.is_in_place()
    }

    /// Begins a batch. Returns whether another process has written since the last one.
    pub(crate) fn begin(&mut self) -> Result<bool, Failure> {
        self.lock.acquire()?;
        self.store.forget_batch();
        let missing = || io::Error::other("queue/redo was removed or replaced");
        let epoch = self.log.epoch()?.ok_or_else(missing)?;
        let mut others_wrote = epoch.number != self.epoch.number;
        self.epoch = epoch;
        if others_wrote {
            // Every record of the epoch before is in the files.
            self.store.forget_all()?;
            self.end = self.applied_position()?;
        }
        let was_behind = self.files_are_behind;
        let ops = self.read_new_records()?;
        others_wrote |= !ops.is_empty();
        if self.files_are_behind {
            self.apply_log()?;
        }
        match was_behind {
            // The cache does not have our own last steps.
            true => self.store.forget_all()?,
            false => self.store.replay_of_others(&ops),
        }
        if !self.store.lanes.unreadable.is_empty() {
            // A lane whose lane.json was missing when it was listed may have it now.
            self.store.forget_all()?;
        }
        if self.store.index.is_damaged() || !self.store.lanes.unreadable.is_empty() {
            let folder = self.store.paths.base().display();
            tracing::warn!(%folder, "the index is damaged: it is rebuilt from the files");
            self.rebuild()?;
            self.checkpoint()?;
            others_wrote = true;
        }
        let flush_failed = self.keeps_lock || self.epoch.flags & FLUSH_FAILED != 0;
        if flush_failed || self.end.at > CHECKPOINT_AT {
            self.checkpoint()?;
        }
        self.store.high_water = self.end.high_water;
        others_wrote |= self.incoming.absorb(&mut self.store)?;
        Ok(others_wrote)
    }

    /// Writes the batch into the log. This is the commit: the batch is in the log completely or not at all.
    pub(crate) fn append(&mut self) -> Result<(), CommitError<Failure>> {
        let record = self
            .store
            .encode_batch()
            .map_err(CommitError::NotCommitted)?;
        let not_committed = |e: io::Error| CommitError::NotCommitted(e.into());
        let full = self.durability == Durability::Full;
        if !full {
            self.mark_unflushed().map_err(not_committed)?;
        }
        self.log
            .make_room(self.end.at, record.len())
            .map_err(not_committed)?;
        let end = match self.log.append(self.end, self.store.high_water, &record) {
            Ok(end) => end,
            // The log may have a part of the record, or all of it.
            Err(e) => match self.log.erase(self.end.at) {
                Ok(()) => return Err(not_committed(e)),
                Err(_) => return Err(self.commit_failed(e)),
            },
        };
        if full && let Err(e) = self.log.sync() {
            return Err(self.commit_failed(e));
        }
        self.end = end;
        Ok(())
    }

    /// After a failed fsync of the log it is unknown what the disk has of it: no process may write to the log before all
    /// of it has been applied to the files.
    fn commit_failed(&mut self, error: io::Error) -> CommitError<Failure> {
        self.keeps_lock = self.log.mark(&mut self.epoch, FLUSH_FAILED).is_err();
        self.forget_all();
        CommitError::Unknown(unknown(self.store.paths.base(), error))
    }

    /// Records that from now on some records of the log may not have been flushed.
    fn mark_unflushed(&mut self) -> io::Result<()> {
        if self.epoch.flags & UNFLUSHED == 0 {
            self.log.mark(&mut self.epoch, UNFLUSHED)?;
            self.log.sync()?;
        }
        Ok(())
    }

    /// Applies the batch that was just committed to the files.
    pub(crate) fn apply_batch(&mut self) -> io::Result<()> {
        let ops = std::mem::take(&mut self.store.batch.ops);
        self.files_are_behind = true;
        self.apply(&ops)?;
        self.write_renewals()?;
        self.applied.write_at(&self.end.to_bytes(), 0)?;
        self.files_are_behind = false;
        Ok(())
    }

    /// Writes the renewals of the batch into the index.
    pub(crate) fn write_renewals(&mut self) -> io::Result<()> {
        let store = &mut self.store;
        for (id, entry) in std::mem::take(&mut store.batch.renewed) {
            // A later change of the batch is in the index already.
            let now = store.index.get(&*self.disk, &store.paths, id)?;
            if now.is_some_and(|now| now.lease == entry.lease) {
                store.files.put(id, now);
            }
        }
        store.files.write(&*self.disk, &store.paths)
    }

    /// After a committed batch could not be applied: the next batch applies it.
    pub(crate) fn applying_failed(&mut self) {
        self.files_are_behind = true;
        self.forget_all();
    }

    /// Forgets the batch and all that is cached.
    pub(crate) fn forget_all(&mut self) {
        self.incoming.expect_leftovers();
        self.mark_damaged_index();
        if let Err(error) = self.store.forget_all() {
            tracing::debug!(error = %chain(&error), "the lanes can't be listed");
            // The cache is incomplete: the next batch must read everything again, as after another epoch.
            self.epoch.number = -1;
        }
    }

    /// Makes the next process that opens the folder rebuild the index, if it was found damaged.
    fn mark_damaged_index(&self) {
        if self.store.index.is_damaged() {
            let _ = self.disk.remove(&self.store.paths.index_is_complete());
        }
    }

    /// Releases the lock, unless others could not know that they must not write.
    pub(crate) fn unlock(&mut self) {
        if !self.keeps_lock {
            self.lock.release();
        }
    }

    /// Applies and flushes the log, so that the next process need not apply it again.
    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        let is_empty = self.end == Position::start(&self.epoch);
        if self.durability == Durability::Full && !is_empty {
            self.lock.acquire()?;
            let epoch = self.log.epoch()?;
            if epoch.is_some_and(|epoch| epoch.number == self.epoch.number) {
                self.read_new_records()?;
                self.checkpoint()?;
            }
            self.lock.release();
        }
        self.lock.close(&*self.disk, &self.store.paths);
        Ok(())
    }
}

fn read_ops(body: &[u8]) -> io::Result<Vec<Op>> {
    // The checksum of the record is right, so a newer OmniQ must have written it.
    let unknown =
        || io::Error::other("the log has a step that this version of OmniQ does not know");
    Op::read_all(body).ok_or_else(unknown)
}
