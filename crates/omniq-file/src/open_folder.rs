//! An open folder: the lock, the log, and how far the files follow it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use omniq_core::{CoreSettings, Durability};

use crate::apply::Apply;
use crate::disk::{Disk, OpenFile};
use crate::errors::Failure;
use crate::layout;
use crate::lock::Lock;
use crate::log::{BROKEN, Epoch, LOOSE, Log, Position};
use crate::op::Op;
use crate::paths::Paths;
use crate::rebuild;
use crate::store::Store;

/// A longer log is begun anew, once all is in the files for good.
const LONG: u64 = if cfg!(test) { 24 << 10 } else { 48 << 20 };

pub(crate) struct OpenFolder {
    pub(crate) identity: String,
    pub(crate) durability: Durability,
    pub(crate) store: Store,
    pub(crate) log: Log,
    /// How far the log was read.
    pub(crate) end: Position,
    disk: Arc<dyn Disk>,
    lock: Lock,
    epoch: Epoch,
    /// The file that says how far the files follow the log.
    applied: Box<dyn OpenFile>,
    /// They do not follow to where the log was read.
    behind: bool,
    /// Nobody may write before what the log has is in the files for good, and it could not be said.
    broken: bool,
    boot: String,
    /// What was found in `incoming` when it was last looked at.
    pub(crate) incoming: crate::incoming::Seen,
    pub(crate) settings: CoreSettings,
}

impl OpenFolder {
    /// Opens a folder, and makes it where it is missing. It is locked then.
    pub(crate) fn new(
        base: &Path,
        disk: &Arc<dyn Disk>,
        settings: &CoreSettings,
    ) -> Result<Self, Failure> {
        let paths = Paths::new(base);
        layout::make(&**disk, &paths, "queue")?;
        let boot = disk.boot().unwrap_or_else(|| NO_BOOT.to_owned());
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
            behind: false,
            broken: false,
            boot,
            incoming: crate::incoming::Seen::default(),
            settings: settings.clone(),
        };
        open.recover(is_new)?;
        Ok(open)
    }

    /// Makes the files what the log says. After a reboot nobody knows which of them are on the disk, so that
    /// all is done again; and so it is where nothing tells of a reboot.
    fn recover(&mut self, is_new: bool) -> Result<(), Failure> {
        let same_boot = self.epoch.boot == self.boot && self.boot != NO_BOOT;
        self.store.forget_all()?;
        let said = self.said()?;
        if !same_boot {
            let start = Position::start(&self.epoch);
            self.applied.write_at(&start.to_bytes(), 0)?;
        }
        self.end = self.applied()?;
        self.read_on()?;
        let lost_steps = said.is_some_and(|said| said.is_beyond(self.end));
        let known = said.map_or(0, |said| said.high_water);
        self.end.high_water = self.end.high_water.max(known);
        self.catch_up()?;
        self.store.forget_all()?;
        let was_loose = !same_boot && self.epoch.flags & LOOSE != 0;
        let lost_lanes = !self.store.lanes.unreadable.is_empty();
        let is_whole = !lost_steps && !lost_lanes && rebuild::is_whole(&self.store)?;
        let rebuilt = was_loose || is_new || !is_whole;
        if rebuilt {
            self.rebuild()?;
        }
        if !same_boot || rebuilt || self.epoch.flags & BROKEN != 0 {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Builds the index anew, and mends what was found.
    fn rebuild(&mut self) -> Result<(), Failure> {
        self.store.high_water = self.end.high_water;
        self.end.high_water = rebuild::rebuild(&mut self.store)?;
        if !self.store.batch.ops.is_empty() {
            self.append().map_err(|broken| match broken {
                omniq_writer::CommitError::NotCommitted(failure) => failure,
                omniq_writer::CommitError::Unknown(error) => error.into(),
            })?;
            self.follow()?;
        }
        self.store.forget_all()?;
        Ok(())
    }

    /// How far the files are said to follow, in whichever epoch.
    fn said(&self) -> io::Result<Option<Position>> {
        let mut bytes = [0; 64];
        let read = self.applied.read_at(&mut bytes, 0)?;
        Ok(Position::from_bytes(&bytes[..read]))
    }

    /// How far the files follow the log of this epoch.
    fn applied(&self) -> io::Result<Position> {
        let said = self.said()?;
        let start = Position::start(&self.epoch);
        Ok(said
            .filter(|said| said.epoch == start.epoch)
            .unwrap_or(start))
    }

    /// Reads what others wrote since.
    fn read_on(&mut self) -> Result<Vec<Op>, Failure> {
        let mut steps = Vec::new();
        while let Some(record) = self.log.read(self.end)? {
            steps.extend(steps_of(&record.body)?);
            self.end = record.end;
            self.behind = true;
        }
        Ok(steps)
    }

    /// Does what the files miss: whoever committed it may have died before.
    fn catch_up(&mut self) -> Result<(), Failure> {
        let mut at = self.applied()?;
        while at.at < self.end.at {
            let record = self.log.read(at)?;
            let record = record.ok_or_else(|| io::Error::other("the log has a gap"))?;
            self.apply(&steps_of(&record.body)?)?;
            at = record.end;
            self.applied.write_at(&at.to_bytes(), 0)?;
        }
        self.behind = false;
        Ok(())
    }

    fn apply(&mut self, steps: &[Op]) -> io::Result<()> {
        let store = &mut self.store;
        let mut apply = Apply {
            disk: &*self.disk,
            paths: &mut store.paths,
            files: &mut store.files,
        };
        apply.all(steps)
    }

    /// All that is in the log gets into the files for good; then it begins anew.
    fn checkpoint(&mut self) -> Result<(), Failure> {
        self.catch_up()?;
        self.disk.sync_all(self.store.paths.base())?;
        let epoch = self.epoch.next(self.end.high_water, &self.boot);
        self.log.begin(&epoch)?;
        self.epoch = epoch;
        self.end = Position::start(&self.epoch);
        self.broken = false;
        self.applied.write_at(&self.end.to_bytes(), 0)?;
        Ok(())
    }

    /// Whether somebody else has written, or dropped a file in. Nobody is locked out meanwhile.
    pub(crate) fn has_news(&mut self) -> io::Result<bool> {
        let epoch = self.log.epoch()?;
        let same = epoch.is_some_and(|epoch| epoch.number == self.epoch.number);
        Ok(!same || self.behind || self.log.goes_on(self.end)? || self.has_incoming()?)
    }

    pub(crate) fn is_in_place(&self) -> bool {
        self.lock.is_in_place()
    }

    /// Begins a batch. Says whether others wrote.
    pub(crate) fn begin(&mut self) -> Result<bool, Failure> {
        self.lock.take()?;
        self.store.forget_batch();
        let gone = || io::Error::other("queue/redo was removed or replaced");
        let epoch = self.log.epoch()?.ok_or_else(gone)?;
        let mut others_wrote = epoch.number != self.epoch.number;
        self.epoch = epoch;
        if others_wrote {
            // All that came before is in the files.
            self.store.forget_all()?;
            self.end = self.applied()?;
        }
        let was_behind = self.behind;
        let steps = self.read_on()?;
        others_wrote |= !steps.is_empty();
        if self.behind {
            self.catch_up()?;
        }
        match was_behind {
            // What was remembered is from before our own last steps.
            true => self.store.forget_all()?,
            false => self.store.others_did(&steps),
        }
        if !self.store.lanes.unreadable.is_empty() {
            // One that was half made when it was listed has its file by now.
            self.store.forget_all()?;
        }
        if self.store.index.is_damaged() || !self.store.lanes.unreadable.is_empty() {
            tracing::warn!(folder = %self.store.paths.base().display(), "the index is built again");
            self.rebuild()?;
            self.checkpoint()?;
            others_wrote = true;
        }
        if self.broken || self.epoch.flags & BROKEN != 0 || self.end.at > LONG {
            self.checkpoint()?;
        }
        self.store.high_water = self.end.high_water;
        others_wrote |= self.absorb()?;
        Ok(others_wrote)
    }

    /// The files follow what was just committed.
    pub(crate) fn follow(&mut self) -> io::Result<()> {
        let steps = std::mem::take(&mut self.store.batch.ops);
        self.behind = true;
        self.apply(&steps)?;
        self.renew()?;
        self.applied.write_at(&self.end.to_bytes(), 0)?;
        self.behind = false;
        Ok(())
    }

    /// Writes new beats into the index.
    pub(crate) fn renew(&mut self) -> io::Result<()> {
        let store = &mut self.store;
        for (id, entry) in std::mem::take(&mut store.batch.renewed) {
            // What came after it in the batch counts.
            let now = store.index.get(&*self.disk, &store.paths, id)?;
            if now.is_some_and(|now| now.lease == entry.lease) {
                store.files.put(id, now);
            }
        }
        store.files.write(&*self.disk, &store.paths)
    }

    /// What is remembered may be wrong.
    pub(crate) fn is_behind(&mut self) {
        self.behind = true;
        self.forget();
    }

    pub(crate) fn forget(&mut self) {
        self.incoming.left = true;
        self.tell_of_damage();
        if let Err(error) = self.store.forget_all() {
            tracing::debug!(%error, "the lanes can't be listed");
            // Nothing may be taken from memory that is half true.
            self.epoch.number = -1;
        }
    }

    /// From now on some of the log may be on no disk.
    pub(crate) fn is_loose(&mut self) -> io::Result<()> {
        if self.epoch.flags & LOOSE == 0 {
            self.log.mark(&mut self.epoch, LOOSE)?;
            self.log.sync()?;
        }
        Ok(())
    }

    /// An index that was found damaged is built again by whoever opens the folder next.
    fn tell_of_damage(&self) {
        if self.store.index.is_damaged() {
            let _ = self.disk.remove(&self.store.paths.index_is_whole());
        }
    }

    /// Nobody knows what the disk has of the log: until it is in the files, nobody may write behind it.
    pub(crate) fn is_broken(&mut self) {
        self.broken = true;
        if self.log.mark(&mut self.epoch, BROKEN).is_ok() {
            self.broken = false;
        }
        self.forget();
    }

    /// Lets others write, unless they would not know that they must not.
    pub(crate) fn let_go(&mut self) {
        if !self.broken {
            self.lock.let_go();
        }
    }

    /// At the end: whoever comes next has nothing to do again.
    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        let is_new = self.end == Position::start(&self.epoch);
        if self.durability == Durability::Full && !is_new {
            self.lock.take()?;
            let epoch = self.log.epoch()?;
            if epoch.is_some_and(|epoch| epoch.number == self.epoch.number) {
                self.read_on()?;
                self.checkpoint()?;
            }
            self.lock.let_go();
        }
        self.lock.leave(&*self.disk, &self.store.paths);
        Ok(())
    }
}

fn steps_of(body: &[u8]) -> io::Result<Vec<Op>> {
    // The sum of the record is right, so that a newer OmniQ must have written it.
    let unknown = || io::Error::other("the log has a step that this OmniQ does not know");
    Op::read_all(body).ok_or_else(unknown)
}

/// Where there is no boot id.
const NO_BOOT: &str = "-";
