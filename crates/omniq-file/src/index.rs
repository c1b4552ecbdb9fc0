//! What is asked of tasks by their ids: entries of one size, in files of 4,096. A cache of what the names of
//! the files say, that is written like everything else.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::io;

use omniq_core::TaskId;

use crate::disk::{Disk, OpenFile, if_exists};
use crate::entry::{Entry, SIZE};
use crate::paths::Paths;

pub(crate) const PER_SEGMENT: u64 = if cfg!(test) { 32 } else { 4_096 };
/// So many segments are remembered, 256 KiB each.
const REMEMBERED: usize = 64;
/// So many files stay open.
const OPEN: usize = 32;

#[derive(Default)]
pub(crate) struct Index {
    segments: HashMap<u64, Segment>,
    /// The number of this batch.
    batch: u64,
    /// An entry was found that can't be right.
    damaged: bool,
}

/// The entries of some ids that follow each other.
pub(crate) struct Segment {
    bytes: Vec<u8>,
    live: usize,
    /// The last batch that used it.
    used: u64,
}

/// The files that were written last.
#[derive(Default)]
pub(crate) struct IndexFiles {
    open: HashMap<u64, Box<dyn OpenFile>>,
    /// What is to be written, by id.
    waiting: BTreeMap<u64, [u8; SIZE]>,
}

pub(crate) fn segment_of(id: TaskId) -> u64 {
    id.as_i64().unsigned_abs() / PER_SEGMENT
}

pub(crate) fn offset(id: TaskId) -> usize {
    (id.as_i64().unsigned_abs() % PER_SEGMENT) as usize * SIZE
}

impl Index {
    pub(crate) fn get(
        &mut self,
        disk: &dyn Disk,
        paths: &Paths,
        id: TaskId,
    ) -> io::Result<Option<Entry>> {
        let at = offset(id);
        let segment = self.segment(disk, paths, segment_of(id))?;
        segment.entry(at).map_err(|()| self.damage())
    }

    /// Reads a segment of which entries are to change.
    pub(crate) fn load(&mut self, disk: &dyn Disk, paths: &Paths, id: TaskId) -> io::Result<()> {
        self.segment(disk, paths, segment_of(id)).map(drop)
    }

    fn segment(&mut self, disk: &dyn Disk, paths: &Paths, number: u64) -> io::Result<&mut Segment> {
        let segment = match self.segments.entry(number) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(gap) => gap.insert(Segment::read(disk, paths, number)?),
        };
        segment.used = self.batch;
        Ok(segment)
    }

    /// Notes what an entry is now, if its segment is remembered.
    pub(crate) fn set(&mut self, id: TaskId, entry: Option<Entry>) {
        if let Some(segment) = self.segments.get_mut(&segment_of(id)) {
            segment.set(offset(id), entry);
        }
    }

    /// A segment that is remembered and has no task any more.
    pub(crate) fn is_empty(&self, number: u64) -> bool {
        self.segments
            .get(&number)
            .is_some_and(|segment| segment.live == 0)
    }

    /// Between batches.
    pub(crate) fn forget_some(&mut self) {
        self.batch += 1;
        let surplus = self.segments.len().saturating_sub(REMEMBERED);
        if surplus > 0 {
            let mut by_use: Vec<_> = self.segments.iter().map(|(n, s)| (s.used, *n)).collect();
            by_use.sort_unstable();
            for (_, number) in by_use.into_iter().take(surplus) {
                self.segments.remove(&number);
            }
        }
    }

    /// All entries from an id on, in order, until `each` says that it is enough.
    pub(crate) fn each(
        &mut self,
        disk: &dyn Disk,
        paths: &Paths,
        from: u64,
        mut each: impl FnMut(TaskId, Entry) -> bool,
    ) -> io::Result<()> {
        let mut numbers = segments(disk, paths)?;
        numbers.extend(self.segments.keys().copied());
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers
            .into_iter()
            .filter(|number| *number >= from / PER_SEGMENT)
        {
            let read;
            let segment = match self.segments.get(&number) {
                Some(segment) => segment,
                None => {
                    read = Segment::read(disk, paths, number)?;
                    &read
                }
            };
            let first = number * PER_SEGMENT;
            for id in from.max(first)..first + PER_SEGMENT {
                let Some(id) = TaskId::from_i64(id.cast_signed()) else {
                    continue;
                };
                match segment.entry(offset(id)) {
                    Ok(None) => {}
                    Ok(Some(entry)) if each(id, entry) => {}
                    Ok(Some(_)) => return Ok(()),
                    Err(()) => return Err(self.damage()),
                }
            }
        }
        Ok(())
    }

    /// It does not say what the files say.
    pub(crate) fn damage(&mut self) -> io::Error {
        self.damaged = true;
        let text = "the index is damaged; it is built again from the names of the files";
        io::Error::new(io::ErrorKind::InvalidData, text)
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged
    }
}

/// The segments that have files.
pub(crate) fn segments(disk: &dyn Disk, paths: &Paths) -> io::Result<Vec<u64>> {
    let found = disk.list(&paths.at("queue/index"))?;
    let number = |name: &str| name.parse().ok();
    Ok(found
        .iter()
        .filter_map(|found| found.text().and_then(number))
        .collect())
}

impl Segment {
    fn read(disk: &dyn Disk, paths: &Paths, number: u64) -> io::Result<Self> {
        let mut bytes = if_exists(disk.read(&paths.segment(number)))?.unwrap_or_default();
        bytes.resize(PER_SEGMENT as usize * SIZE, 0);
        let live = bytes
            .chunks_exact(SIZE)
            .filter(|entry| entry[0] != 0)
            .count();
        let used = 0;
        Ok(Self { bytes, live, used })
    }

    fn entry(&self, at: usize) -> Result<Option<Entry>, ()> {
        let bytes = self.bytes[at..].first_chunk().ok_or(())?;
        Entry::from_bytes(bytes)
    }

    fn set(&mut self, at: usize, entry: Option<Entry>) {
        let was = self.bytes[at] != 0;
        let bytes = entry.map_or([0; SIZE], Entry::to_bytes);
        self.bytes[at..at + SIZE].copy_from_slice(&bytes);
        self.live = self.live + usize::from(entry.is_some()) - usize::from(was);
    }
}

impl IndexFiles {
    /// The entry that the disk has: others write beats there, which no record tells of.
    pub(crate) fn fresh(
        &mut self,
        disk: &dyn Disk,
        paths: &Paths,
        id: TaskId,
    ) -> io::Result<Option<Entry>> {
        let mut bytes = [0; SIZE];
        let file = self.file(disk, paths, segment_of(id))?;
        let read = file.read_at(&mut bytes, offset(id) as u64)?;
        if read < SIZE {
            return Ok(None);
        }
        Ok(Entry::from_bytes(&bytes).unwrap_or_default())
    }

    pub(crate) fn put(&mut self, id: TaskId, entry: Option<Entry>) {
        let bytes = entry.map_or([0; SIZE], Entry::to_bytes);
        self.waiting.insert(id.as_i64().unsigned_abs(), bytes);
    }

    /// A segment goes away.
    pub(crate) fn remove(&mut self, disk: &dyn Disk, paths: &Paths, number: u64) -> io::Result<()> {
        self.open.remove(&number);
        let first = number * PER_SEGMENT;
        self.waiting
            .retain(|id, _| !(first..first + PER_SEGMENT).contains(id));
        if_exists(disk.remove(&paths.segment(number))).map(drop)
    }

    /// Another process removed it.
    pub(crate) fn is_removed(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Writes what waits; neighbours in one piece.
    pub(crate) fn write(&mut self, disk: &dyn Disk, paths: &Paths) -> io::Result<()> {
        let waiting: Vec<_> = self
            .waiting
            .iter()
            .map(|(id, bytes)| (*id, *bytes))
            .collect();
        let neighbours =
            |a: &(u64, _), b: &(u64, _)| a.0 + 1 == b.0 && a.0 / PER_SEGMENT == b.0 / PER_SEGMENT;
        for run in waiting.chunk_by(neighbours) {
            let first = run[0].0;
            let bytes: Vec<u8> = run.iter().flat_map(|(_, bytes)| *bytes).collect();
            let file = self.file(disk, paths, first / PER_SEGMENT)?;
            file.write_at(&bytes, first % PER_SEGMENT * SIZE as u64)?;
        }
        self.waiting.clear();
        Ok(())
    }

    fn file(&mut self, disk: &dyn Disk, paths: &Paths, number: u64) -> io::Result<&dyn OpenFile> {
        if self.open.len() >= OPEN && !self.open.contains_key(&number) {
            self.open.clear();
        }
        let file = match self.open.entry(number) {
            Slot::Occupied(open) => open.into_mut(),
            Slot::Vacant(gap) => gap.insert(disk.open(&paths.segment(number))?),
        };
        Ok(&**file)
    }
}
