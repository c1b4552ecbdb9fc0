//! The index: finds the state of a task by its id. It consists of files (segments) of 4,096 entries of one size. It is
//! a cache of what the task files and their names say, and is written through the log like them.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::io;

use omniq_core::TaskId;

use crate::disk::{Disk, OpenFile, if_exists};
use crate::entry::{Entry, SIZE};
use crate::paths::Paths;

pub(crate) const PER_SEGMENT: u64 = if cfg!(test) { 32 } else { 4_096 };
/// The largest number of cached segments of 256 KiB.
const MAX_CACHED: usize = 64;
/// The largest number of files that stay open.
const MAX_OPEN: usize = 32;

#[derive(Default)]
pub(crate) struct Index {
    segments: HashMap<u64, Segment>,
    /// The number of the current batch.
    batch: u64,
    /// An invalid or wrong entry was found.
    damaged: bool,
}

/// The entries of consecutive ids.
pub(crate) struct Segment {
    bytes: Vec<u8>,
    live: usize,
    /// The last batch that used the segment.
    used: u64,
}

/// The open files of the index, and the entries to be written.
#[derive(Default)]
pub(crate) struct IndexFiles {
    open: HashMap<u64, Box<dyn OpenFile>>,
    /// The entries to be written, by id.
    pending: BTreeMap<u64, [u8; SIZE]>,
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

    /// Caches the segment of a task whose entry will change.
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

    /// Updates an entry, if its segment is cached.
    pub(crate) fn set(&mut self, id: TaskId, entry: Option<Entry>) {
        if let Some(segment) = self.segments.get_mut(&segment_of(id)) {
            segment.set(offset(id), entry);
        }
    }

    /// Whether a segment is cached and has no task.
    pub(crate) fn is_empty(&self, number: u64) -> bool {
        self.segments
            .get(&number)
            .is_some_and(|segment| segment.live == 0)
    }

    /// Called between batches: removes the least recently used segments from the cache, if there are too many.
    pub(crate) fn shrink(&mut self) {
        self.batch += 1;
        let surplus = self.segments.len().saturating_sub(MAX_CACHED);
        if surplus > 0 {
            let mut by_use: Vec<_> = self.segments.iter().map(|(n, s)| (s.used, *n)).collect();
            by_use.sort_unstable();
            for (_, number) in by_use.into_iter().take(surplus) {
                self.segments.remove(&number);
            }
        }
    }

    /// Calls `each` for all entries from an id on, in order, until it returns false.
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

    /// Records that the index contradicts the files, and returns the error for it.
    pub(crate) fn damage(&mut self) -> io::Error {
        self.damaged = true;
        let text = "the index is damaged: the next call rebuilds it from the files";
        io::Error::new(io::ErrorKind::InvalidData, text)
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged
    }
}

/// Returns the numbers of the segments that have files.
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
    /// Reads an entry from the disk: other processes write renewals there without a record in the log.
    pub(crate) fn read(
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
        self.pending.insert(id.as_i64().unsigned_abs(), bytes);
    }

    /// Removes the file of a segment.
    pub(crate) fn remove(&mut self, disk: &dyn Disk, paths: &Paths, number: u64) -> io::Result<()> {
        self.open.remove(&number);
        let first = number * PER_SEGMENT;
        self.pending
            .retain(|id, _| !(first..first + PER_SEGMENT).contains(id));
        if_exists(disk.remove(&paths.segment(number))).map(drop)
    }

    /// Closes the file of a segment that another process removed.
    pub(crate) fn close(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Writes the pending entries; consecutive ones with one call.
    pub(crate) fn write(&mut self, disk: &dyn Disk, paths: &Paths) -> io::Result<()> {
        let pending: Vec<_> = self
            .pending
            .iter()
            .map(|(id, bytes)| (*id, *bytes))
            .collect();
        let neighbours =
            |a: &(u64, _), b: &(u64, _)| a.0 + 1 == b.0 && a.0 / PER_SEGMENT == b.0 / PER_SEGMENT;
        for run in pending.chunk_by(neighbours) {
            let first = run[0].0;
            let bytes: Vec<u8> = run.iter().flat_map(|(_, bytes)| *bytes).collect();
            let file = self.file(disk, paths, first / PER_SEGMENT)?;
            file.write_at(&bytes, first % PER_SEGMENT * SIZE as u64)?;
        }
        self.pending.clear();
        Ok(())
    }

    fn file(&mut self, disk: &dyn Disk, paths: &Paths, number: u64) -> io::Result<&dyn OpenFile> {
        if self.open.len() >= MAX_OPEN && !self.open.contains_key(&number) {
            self.open.clear();
        }
        let file = match self.open.entry(number) {
            Slot::Occupied(open) => open.into_mut(),
            Slot::Vacant(gap) => gap.insert(disk.open(&paths.segment(number))?),
        };
        Ok(&**file)
    }
}
