//! The cache of a shelf: its chunks, and the file names in those chunks that were listed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use crate::disk::{DirEntry, Disk, Kind, if_exists};
use crate::file_name::FileName;
use crate::location::ChunkName;

/// A chunk with this many names is full.
pub(crate) const FULL: usize = if cfg!(test) { 6 } else { 1_000 };

/// The chunks, each with its names if it was listed.
#[derive(Debug, Default)]
pub(crate) struct Chunks(BTreeMap<ChunkName, Option<BTreeSet<FileName>>>);

/// Where a new name goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Into this chunk.
    In(ChunkName),
    /// Into a new chunk.
    New,
    /// This chunk is full and must be split first: the names from this one on move to a new chunk.
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

    pub(crate) fn chunks(&self) -> impl DoubleEndedIterator<Item = ChunkName> + '_ {
        self.0.keys().copied()
    }

    pub(crate) fn first(&self) -> Option<ChunkName> {
        self.chunks().next()
    }

    /// Whether a chunk is empty and may be removed. The only chunk of a shelf stays: otherwise a queue that is empty
    /// between two tasks would create and remove it each time.
    pub(crate) fn is_removable(&self, chunk: ChunkName) -> bool {
        self.0.len() > 1 && self.names_of(chunk).is_some_and(BTreeSet::is_empty)
    }

    /// Returns the chunk in which a name belongs: the last one whose lowest name is not greater.
    pub(crate) fn chunk_of(&self, name: FileName) -> Option<ChunkName> {
        let covering = self.0.range(..=ChunkName::last_from(name)).next_back();
        covering.map(|(chunk, _)| *chunk)
    }

    pub(crate) fn is_listed(&self, chunk: ChunkName) -> bool {
        self.names_of(chunk).is_some()
    }

    /// Caches the names that were found in a chunk's folder.
    pub(crate) fn set_names(&mut self, chunk: ChunkName, names: BTreeSet<FileName>) {
        self.0.insert(chunk, Some(names));
    }

    /// Returns the names of a chunk, if it was listed.
    pub(crate) fn names_of(&self, chunk: ChunkName) -> Option<&BTreeSet<FileName>> {
        self.0.get(&chunk)?.as_ref()
    }

    /// Returns where a new name goes. Its chunk must have been listed.
    pub(crate) fn room(&self, name: FileName) -> Room {
        let Some(chunk) = self.chunk_of(name) else {
            return Room::New;
        };
        let Some(names) = self.names_of(chunk).filter(|names| names.len() >= FULL) else {
            return Room::In(chunk);
        };
        let is_last = self.chunks().next_back() == Some(chunk);
        if is_last && names.last().is_some_and(|last| *last < name) {
            return Room::New;
        }
        let middle = names.iter().nth(names.len() / 2).copied();
        middle.map_or(Room::In(chunk), |middle| Room::Split(chunk, middle))
    }

    /// Adds a name. An unknown chunk is new, and has no other names.
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

    pub(crate) fn remove_chunk(&mut self, chunk: ChunkName) {
        self.0.remove(&chunk);
    }

    /// Returns the number of cached names.
    pub(crate) fn name_count(&self) -> usize {
        self.0.values().flatten().map(BTreeSet::len).sum()
    }

    /// Forgets the names, but not the chunks.
    pub(crate) fn forget_names(&mut self) {
        self.0.values_mut().for_each(|names| *names = None);
    }
}

/// Lists the names in a chunk's folder.
pub(crate) fn names_in(disk: &dyn Disk, folder: &Path) -> io::Result<BTreeSet<FileName>> {
    let found = if_exists(disk.list(folder))?.unwrap_or_default();
    let name = |found: &DirEntry| match found.kind {
        Kind::Folder => None,
        _ => FileName::of_file(found.text()?),
    };
    Ok(found.iter().filter_map(name).collect())
}
