//! An open folder: its lock, its log, and how much of the log has been applied to the files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use omniq_core::{CoreSettings, Durability};
use omniq_writer::CommitError;

use crate::apply::Apply;
use crate::disk::{Disk, OpenFile};
use crate::errors::{Failure, chain, needs_repair, unknown};
use crate::incoming::Incoming;
use crate::layout;
use crate::lock::{Lock, OpenLock};
use crate::log::{Epoch, FLUSH_FAILED, Log, Position, UNFLUSHED};
use crate::mount::Mount;
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
    /// The index was found damaged or incomplete.
    needs_rebuild: bool,
    /// A flush failed and [`FLUSH_FAILED`] could not be written: the lock is kept until a checkpoint succeeds.
    keeps_lock: bool,
    mount: Mount,
    incoming: Incoming,
}

impl OpenFolder {
    /// Opens a folder and locks it; creates it if it is missing. Finishes what a crash interrupted. `open_lock` is the
    /// one of this process, if it had the folder open before.
    pub(crate) fn new(
        base: &Path,
        disk: &Arc<dyn Disk>,
        settings: &CoreSettings,
        open_lock: Option<OpenLock>,
    ) -> Result<(Self, OpenLock), Failure> {
        let paths = Paths::new(base);
        let is_read_only = disk.is_read_only();
        if !is_read_only {
            layout::ensure_folder(&**disk, &paths, "queue")?;
        }
        let mount = Mount::of(&**disk, base);
        let lock = Lock::open(&**disk, &paths, &mount.boot)?;
        let (open_lock, is_alone) = match open_lock.filter(OpenLock::is_in_place) {
            Some(open_lock) => (open_lock, false),
            None => OpenLock::take(&**disk, &paths)?,
        };
        let identity = match is_read_only {
            true => layout::read_id(&**disk, &paths)?,
            false => layout::prepare(&**disk, &paths)?,
        };
        let mut log = Log::open(&**disk, &paths.at("queue/redo"))?;
        let applied = disk.open(&paths.at("queue/applied"))?;
        let (epoch, is_new) = match log.epoch()? {
            Some(epoch) => (epoch, false),
            None if is_read_only => return Err(needs_repair(base, "its log is damaged").into()),
            None => {
                let epoch = Epoch::first(&mount);
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
            needs_rebuild: false,
            keeps_lock: false,
            mount,
            incoming: Incoming::new(settings.clone()),
        };
        open.recover(is_new, is_alone)?;
        Ok((open, open_lock))
    }

    /// Applies to the files what the log has. After a reboot, or if the volume was away, it is unknown which files reached
    /// the disk, so all records of the epoch are applied again. So they are if the mount is not certainly the same, unless
    /// another process has had the folder open all the time.
    fn recover(&mut self, is_new: bool, is_alone: bool) -> Result<(), Failure> {
        let was_rebooted = self.epoch.mount.boot.is_same_as(&self.mount.boot) == Some(false);
        let is_same = self.epoch.mount.is_same_as(&self.mount) || !(is_alone || was_rebooted);
        self.store.forget_all()?;
        let recorded = self.read_applied()?;
        if self.disk.is_read_only() {
            return self.check_files(is_same);
        }
        if !is_same {
            let start = Position::start(&self.epoch);
            self.applied.write_at(&start.to_bytes(), 0)?;
        }
        self.end = self.applied_position()?;
        let ops = self.read_new_records()?;
        self.store.replace_missing_lanes(&ops);
        let lost_records = recorded.is_some_and(|recorded| recorded.is_beyond(self.end));
        let recorded_id = recorded.map_or(0, |recorded| recorded.high_water);
        self.end.high_water = self.end.high_water.max(recorded_id);
        if self.apply_log()? {
            // The steps may have created lanes.
            self.store.forget_all()?;
        }
        let was_unflushed = !is_same && self.epoch.flags & UNFLUSHED != 0;
        let lost_lanes = !self.store.lanes.unreadable.is_empty();
        let is_complete = !lost_records && !lost_lanes && rebuild::is_complete(&self.store)?;
        let needs_rebuild = was_unflushed || is_new || !is_complete;
        if needs_rebuild {
            self.rebuild(is_new)?;
        }
        if !is_same || needs_rebuild || self.epoch.flags & FLUSH_FAILED != 0 {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Checks that a folder which this process may not write can be read without a repair.
    fn check_files(&mut self, is_same_mount: bool) -> Result<(), Failure> {
        let base = self.store.paths.base().to_owned();
        self.end = Position::start(&self.epoch);
        self.read_new_records()?;
        let is_empty = self.end == Position::start(&self.epoch);
        if !is_same_mount && !is_empty {
            return Err(needs_repair(&base, "the disk may have lost a part of its files").into());
        }
        self.apply_log()?;
        if !self.store.lanes.unreadable.is_empty() || !rebuild::is_complete(&self.store)? {
            return Err(needs_repair(&base, "its index must be rebuilt").into());
        }
        Ok(())
    }

    /// Builds the index from the files, and repairs the files. If this process dies meanwhile, the next one that begins a
    /// batch or opens the folder rebuilds the index: the epoch is another one, and the index is not marked as complete.
    fn rebuild(&mut self, is_new_epoch: bool) -> Result<(), Failure> {
        rebuild::mark_incomplete(&self.store)?;
        if !is_new_epoch {
            // Others must forget the index and close its files, which may be replaced.
            self.checkpoint()?;
        }
        self.store.high_water = self.end.high_water;
        self.end.high_water = rebuild::rebuild(&mut self.store)?;
        if !self.store.batch.ops.is_empty() {
            self.append().map_err(|error| match error {
                CommitError::NotCommitted(failure) => failure,
                CommitError::Unknown(error) => error.into(),
            })?;
            self.apply_batch()?;
        }
        rebuild::mark_complete(&self.store)?;
        self.needs_rebuild = false;
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
        self.store.learn(&ops);
        Ok(ops)
    }

    /// Applies the records that are not in the files yet: the process that committed them may have died.
    /// Returns whether there were any.
    fn apply_log(&mut self) -> Result<bool, Failure> {
        let mut position = self.applied_position()?;
        if self.disk.is_read_only() && position.at < self.end.at {
            let base = self.store.paths.base();
            return Err(needs_repair(base, "its last batch is not in the files yet").into());
        }
        let is_behind = position.at < self.end.at;
        while position.at < self.end.at {
            let record = self.log.read(position)?;
            let record = record.ok_or_else(|| io::Error::other("the log has a gap"))?;
            self.apply(&read_ops(&record.body)?)?;
            position = record.end;
            self.applied.write_at(&position.to_bytes(), 0)?;
        }
        self.files_are_behind = false;
        Ok(is_behind)
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
        let epoch = self.epoch.next(self.end.high_water, &self.mount);
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
            || (!self.disk.is_read_only() && self.incoming.has_files(&self.store)?))
    }

    /// Whether the folder is still the one that was opened.
    pub(crate) fn is_in_place(&self) -> bool {
        self.lock.is_in_place()
    }

    /// Begins a batch. Returns whether another process has written since the last one.
    pub(crate) fn begin(&mut self) -> Result<bool, Failure> {
        self.lock.acquire()?;
        self.store.forget_batch();
        self.store.files.begin_batch();
        let missing = || io::Error::other("queue/redo was removed or replaced");
        if self.log.is_removed()? {
            return Err(missing().into());
        }
        let epoch = self.log.epoch()?.ok_or_else(missing)?;
        let mut others_wrote = epoch.number != self.epoch.number;
        self.epoch = epoch;
        if others_wrote {
            // Every record of the epoch before is in the files.
            self.store.forget_all()?;
            self.end = self.applied_position()?;
            self.needs_rebuild |= !rebuild::is_complete(&self.store)?;
        }
        let was_behind = self.files_are_behind;
        if was_behind {
            // Another process may have applied our last steps, with their lanes.
            self.store.forget_all()?;
        }
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
        self.needs_rebuild |= self.store.index_is_damaged();
        let is_read_only = self.disk.is_read_only();
        if self.needs_rebuild || !self.store.lanes.unreadable.is_empty() {
            if is_read_only {
                let base = self.store.paths.base();
                return Err(needs_repair(base, "its index must be rebuilt").into());
            }
            let folder = self.store.paths.base().display();
            tracing::warn!(%folder, "the index is damaged: it is rebuilt from the files");
            self.rebuild(false)?;
            self.checkpoint()?;
            others_wrote = true;
        }
        let flush_failed = self.keeps_lock || self.epoch.flags & FLUSH_FAILED != 0;
        if !is_read_only && (flush_failed || self.end.at > CHECKPOINT_AT) {
            self.checkpoint()?;
        }
        self.store.high_water = self.end.high_water;
        if !is_read_only {
            others_wrote |= self.incoming.absorb(&mut self.store)?;
        }
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

    /// Makes the next batch, or the next process that opens the folder, rebuild the index, if it was found damaged.
    fn mark_damaged_index(&mut self) {
        if self.store.index_is_damaged() {
            self.needs_rebuild = true;
            let _ = rebuild::mark_incomplete(&self.store);
        }
    }

    /// Releases the lock, unless others could not know that they must not write.
    pub(crate) fn unlock(&mut self) {
        if !self.keeps_lock {
            self.lock.release();
        }
    }

    /// Applies and flushes the log, so that the next process need not apply it again.
    pub(crate) fn close(&mut self, open_lock: &OpenLock) -> Result<(), Failure> {
        let is_empty = self.end == Position::start(&self.epoch);
        if !is_empty && !self.disk.is_read_only() {
            self.lock.acquire()?;
            if self.durability != Durability::Full && !open_lock.is_alone()? {
                // The last process that closes the folder flushes the log.
                self.lock.release();
                return Ok(());
            }
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
