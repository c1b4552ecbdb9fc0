//! Reads tasks, from the cache or from the disk.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io;

use omniq_core::storage::StoredTask;
use omniq_core::{TaskId, Timestamp};

use super::Store;
use crate::body;
use crate::disk::{DirEntry, Kind, if_exists};
use crate::entry::Entry;
use crate::errors::Failure;
use crate::file_name::{ENDING, FileName};
use crate::location::{ChunkName, Location, LogicalLocation, Shelf};
use crate::op::Op;
use crate::shelf::{Chunks, names_in};

impl Store {
    pub(crate) fn entry(&mut self, id: TaskId) -> Result<Option<Entry>, Failure> {
        Ok(self.index.get(&*self.disk, &self.paths, id)?)
    }

    /// Returns a task with what only the storage knows. A task whose file is missing is deleted; a file that can't be read
    /// is quarantined.
    pub(crate) fn stored_task(&mut self, id: TaskId) -> Result<Option<&StoredTask>, Failure> {
        if !self.cached_tasks.contains_key(&id) {
            let Some(stored) = self.read_task_file(id)? else {
                return Ok(None);
            };
            self.cache_task(stored);
        }
        Ok(self.cached_tasks.get(&id))
    }

    fn read_task_file(&mut self, id: TaskId) -> Result<Option<StoredTask>, Failure> {
        let Some(entry) = self.entry(id)? else {
            return Ok(None);
        };
        let Some(location) = self.location(id, &entry)? else {
            self.forget_missing(id, &entry, "its folder is missing")?;
            return Ok(None);
        };
        let path = self.paths.file(&self.location_on_disk(id, location));
        let bytes = match self.disk.read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.forget_missing(id, &entry, "its file is missing")?;
                return Ok(None);
            }
            Err(e) => {
                if matches!(self.disk.kind(&path)?, Some(Kind::File) | None) {
                    return Err(e.into());
                }
                let reason = "it is a link or a folder, not a regular file";
                self.quarantine_task(id, &entry, &location, reason)?;
                return Ok(None);
            }
            Ok(bytes) => bytes,
        };
        match body::read_task(&bytes) {
            Ok(task) if task.id == id => Ok(Some(StoredTask::from_parts(
                task,
                entry.due,
                entry.renewals,
                entry.lease_for,
            ))),
            Ok(task) => {
                let reason = format!("its name has the id {id}, its content has {}", task.id);
                self.quarantine_task(id, &entry, &location, &reason)?;
                Ok(None)
            }
            Err(error) => {
                self.quarantine_task(id, &entry, &location, &error.to_string())?;
                Ok(None)
            }
        }
    }

    /// Returns where a task's file is, after the changes of the batch; `None` if the shelf has no chunk for it.
    pub(super) fn location(
        &mut self,
        id: TaskId,
        entry: &Entry,
    ) -> Result<Option<Location>, Failure> {
        Ok(match entry.location(id) {
            LogicalLocation::Running => Some(Location::Running(id)),
            LogicalLocation::Stopping => Some(Location::Stopping(id)),
            LogicalLocation::On(shelf, name) => {
                let chunk = self.chunks(shelf)?.chunk_of(name);
                chunk.map(|chunk| Location::On { shelf, chunk, name })
            }
        })
    }

    /// Returns an entry with the latest renewal: renewals are only written into the index, also by other processes.
    pub(crate) fn with_renewals(&mut self, id: TaskId, entry: Entry) -> Result<Entry, Failure> {
        if self.batch.renewed.contains_key(&id) {
            return Ok(entry);
        }
        let on_disk = self.files.read(&*self.disk, &self.paths, id)?;
        Ok(match on_disk {
            Some(latest) if latest.lease == entry.lease && latest.renewals > entry.renewals => {
                Entry {
                    renewals: latest.renewals,
                    lease_for: latest.lease_for,
                    ..entry
                }
            }
            _ => entry,
        })
    }

    /// Returns where a file is on the disk, before the changes of the batch.
    pub(super) fn location_on_disk(&self, id: TaskId, location: Location) -> Location {
        let ops = &self.batch.ops;
        let first = self.batch.of_task.get(&id).map(|(first, _)| *first);
        let step = first.and_then(|first| ops.get(first));
        let mut location = match step {
            Some(Op::Put {
                from: Some(from), ..
            }) => *from,
            _ => location,
        };
        for op in ops[..first.unwrap_or(self.batch.frozen)].iter().rev() {
            if let (
                Op::SplitChunk { shelf, chunk, into },
                Location::On {
                    shelf: of,
                    chunk: at,
                    ..
                },
            ) = (op, &mut location)
                && (shelf, into) == (of, at)
            {
                *at = *chunk;
            }
        }
        location
    }

    pub(super) fn chunks(&mut self, shelf: Shelf) -> io::Result<&mut Chunks> {
        if !self.shelves.contains_key(&shelf) {
            let chunks = Chunks::list(&*self.disk, &self.paths.shelf(shelf))?;
            self.shelves.insert(shelf, chunks);
        }
        Ok(self.shelves.entry(shelf).or_default())
    }

    /// Lists a chunk, so that the cache has all its names.
    pub(super) fn load_chunk(&mut self, shelf: Shelf, chunk: ChunkName) -> io::Result<()> {
        if !self.chunks(shelf)?.is_listed(chunk) {
            let names = names_in(&*self.disk, &self.paths.chunk(shelf, chunk))?;
            self.chunks(shelf)?.set_names(chunk, names);
        }
        Ok(())
    }

    /// Returns the first name of a shelf.
    pub(crate) fn first(&mut self, shelf: Shelf) -> Result<Option<FileName>, Failure> {
        while let Some(chunk) = self.chunks(shelf)?.first() {
            self.load_chunk(shelf, chunk)?;
            let names = self.chunks(shelf)?.names_of(chunk);
            if let Some(first) = names.and_then(BTreeSet::first) {
                return Ok(Some(*first));
            }
            if !self.chunks(shelf)?.is_removable(chunk) {
                break;
            }
            self.remove_chunk(shelf, chunk);
        }
        Ok(None)
    }

    /// Returns the first `limit` names of a shelf whose times are not after `time`.
    pub(crate) fn names_until(
        &mut self,
        shelf: Shelf,
        time: Timestamp,
        limit: usize,
    ) -> Result<Vec<FileName>, Failure> {
        let mut found = Vec::new();
        let chunks: Vec<_> = self.chunks(shelf)?.chunks().collect();
        for chunk in chunks {
            self.load_chunk(shelf, chunk)?;
            let names = self.chunks(shelf)?.names_of(chunk).into_iter().flatten();
            let before = found.len();
            let wanted = limit - before;
            found.extend(names.take_while(|name| name.time <= time).take(wanted));
            let some_later =
                self.chunks(shelf)?.names_of(chunk).map_or(0, BTreeSet::len) > found.len() - before;
            if found.len() == limit || some_later {
                break;
            }
        }
        Ok(found)
    }

    /// Returns the ready task of a lane that is claimed next.
    pub(crate) fn head(&mut self, lane: u32) -> Result<Option<(i32, FileName)>, Failure> {
        loop {
            let Some(Reverse(priority)) = self.ready_priorities(lane)?.first().copied() else {
                return Ok(None);
            };
            if let Some(name) = self.first(Shelf::Ready { lane, priority })? {
                return Ok(Some((priority, name)));
            }
            self.ready_priorities(lane)?.remove(&Reverse(priority));
        }
    }

    fn ready_priorities(&mut self, lane: u32) -> io::Result<&mut BTreeSet<Reverse<i32>>> {
        if !self.priorities.contains_key(&lane) {
            let found =
                if_exists(self.disk.list(&self.paths.priorities(lane)))?.unwrap_or_default();
            let number = |found: &DirEntry| found.text()?.strip_prefix('p')?.parse().ok();
            let mut priorities: BTreeSet<_> =
                found.iter().filter_map(number).map(Reverse).collect();
            // Earlier changes of this batch are not on the disk yet.
            let known = self.shelves.iter().filter(|(_, chunks)| !chunks.is_empty());
            priorities.extend(known.filter_map(|(shelf, _)| match shelf {
                Shelf::Ready { lane: of, priority } if *of == lane => Some(Reverse(*priority)),
                _ => None,
            }));
            self.priorities.insert(lane, priorities);
        }
        Ok(self.priorities.entry(lane).or_default())
    }

    /// Returns the tasks that have an owner.
    pub(crate) fn held(&mut self) -> Result<BTreeSet<TaskId>, Failure> {
        if self.held.is_none() {
            let mut held = BTreeSet::new();
            for folder in self.paths.held() {
                let id = |found: &DirEntry| {
                    let text = found.text()?.strip_suffix(ENDING)?;
                    let id = text.parse::<TaskId>().ok()?;
                    // Each id has exactly one spelling.
                    (found.kind != Kind::Folder && id.to_string() == text).then_some(id)
                };
                held.extend(self.disk.list(&folder)?.iter().filter_map(id));
            }
            // Earlier changes of this batch are not on the disk yet.
            for (id, stored) in &self.cached_tasks {
                match stored.task.owner {
                    Some(_) => held.insert(*id),
                    None => held.remove(id),
                };
            }
            self.held = Some(held);
        }
        Ok(self.held.clone().unwrap_or_default())
    }
}
