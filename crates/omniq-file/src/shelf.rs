//! What is remembered of a shelf: its chunks, and the names in those that were looked into.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use crate::disk::{DirEntry, Disk, Kind, if_exists};
use crate::file_name::FileName;
use crate::location::ChunkName;

/// A folder with more names than this is split.
pub(crate) const FULL: usize = if cfg!(test) { 6 } else { 1_000 };

/// The chunks with the names in them, unless nobody has looked into one.
#[derive(Debug, Default)]
pub(crate) struct Chunks(BTreeMap<ChunkName, Option<BTreeSet<FileName>>>);

/// What has to be done so that a name has room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// This chunk takes it.
    In(ChunkName),
    /// It needs a chunk of its own.
    New,
    /// This chunk is full: what is from this name on moves out first.
    Split(ChunkName, FileName),
}

impl Chunks {
    pub(crate) fn list(disk: &dyn Disk, folder: &Path) -> io::Result<Self> {
        let found = if_exists(disk.list(folder))?.unwrap_or_default();
        let chunk = |found: &DirEntry| {
            let name = ChunkName::parse(found.text()?)?;
            (found.kind == Kind::Folder).then_some((name, None))
        };
        Ok(Self(found.iter().filter_map(chunk).collect()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn names(&self) -> impl DoubleEndedIterator<Item = ChunkName> + '_ {
        self.0.keys().copied()
    }

    pub(crate) fn first(&self) -> Option<ChunkName> {
        self.names().next()
    }

    /// An empty chunk that may go. The only one of its shelf stays: a queue that is empty between two tasks
    /// would make and remove it each time.
    pub(crate) fn is_spent(&self, chunk: ChunkName) -> bool {
        self.0.len() > 1 && self.set(chunk).is_some_and(BTreeSet::is_empty)
    }

    /// The chunk that has a name, or would have it. Nothing in a chunk comes before its lowest name.
    pub(crate) fn chunk_of(&self, name: FileName) -> Option<ChunkName> {
        let covering = self.0.range(..=ChunkName::last_from(name)).next_back();
        covering.map(|(chunk, _)| *chunk)
    }

    pub(crate) fn is_read(&self, chunk: ChunkName) -> bool {
        self.set(chunk).is_some()
    }

    /// What was found in the chunk's folder.
    pub(crate) fn read(&mut self, chunk: ChunkName, names: BTreeSet<FileName>) {
        self.0.insert(chunk, Some(names));
    }

    pub(crate) fn set(&self, chunk: ChunkName) -> Option<&BTreeSet<FileName>> {
        self.0.get(&chunk)?.as_ref()
    }

    /// Where a name goes, which is not there yet. Its chunk was read.
    pub(crate) fn room(&self, name: FileName) -> Room {
        let Some(chunk) = self.chunk_of(name) else {
            return Room::New;
        };
        let Some(names) = self.set(chunk).filter(|names| names.len() >= FULL) else {
            return Room::In(chunk);
        };
        let is_last = self.names().next_back() == Some(chunk);
        if is_last && names.last().is_some_and(|last| *last < name) {
            return Room::New;
        }
        let middle = names.iter().nth(names.len() / 2).copied();
        middle.map_or(Room::In(chunk), |middle| Room::Split(chunk, middle))
    }

    /// A name is there from now on. A chunk that nobody knew is new, and has nothing else.
    pub(crate) fn insert(&mut self, chunk: ChunkName, name: FileName) {
        let known = self.0.entry(chunk).or_insert_with(|| Some(BTreeSet::new()));
        if let Some(names) = known {
            names.insert(name);
        }
    }

    pub(crate) fn remove(&mut self, chunk: ChunkName, name: FileName) {
        if let Some(Some(names)) = self.0.get_mut(&chunk) {
            names.remove(&name);
        }
    }

    pub(crate) fn split(&mut self, chunk: ChunkName, into: ChunkName) {
        let moved = match self.0.get_mut(&chunk) {
            Some(Some(names)) => Some(names.split_off(&into.lowest)),
            _ => None,
        };
        self.0.insert(into, moved);
    }

    pub(crate) fn drop_chunk(&mut self, chunk: ChunkName) {
        self.0.remove(&chunk);
    }

    /// So many names are remembered.
    pub(crate) fn weight(&self) -> usize {
        self.0.values().flatten().map(BTreeSet::len).sum()
    }

    /// Forgets the names, not the chunks.
    pub(crate) fn forget_names(&mut self) {
        self.0.values_mut().for_each(|names| *names = None);
    }
}

/// The names in a chunk's folder.
pub(crate) fn names_in(disk: &dyn Disk, folder: &Path) -> io::Result<BTreeSet<FileName>> {
    let found = if_exists(disk.list(folder))?.unwrap_or_default();
    let name =
        |found: &DirEntry| FileName::of_file(found.text()?).filter(|_| found.kind != Kind::Folder);
    Ok(found.iter().filter_map(name).collect())
}
