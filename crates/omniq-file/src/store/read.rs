//! Finding tasks, in what is remembered or on the disk.

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

    /// A task with all that is known of it. One whose file is gone is forgotten; one whose file can't be read
    /// is set aside.
    pub(crate) fn row(&mut self, id: TaskId) -> Result<Option<&StoredTask>, Failure> {
        if !self.rows.contains_key(&id) {
            let Some(row) = self.read_row(id)? else {
                return Ok(None);
            };
            self.remember(row);
        }
        Ok(self.rows.get(&id))
    }

    fn read_row(&mut self, id: TaskId) -> Result<Option<StoredTask>, Failure> {
        let Some(entry) = self.entry(id)? else {
            return Ok(None);
        };
        let Some(place) = self.place(id, &entry)? else {
            self.is_gone(id, &entry, "its folder is gone")?;
            return Ok(None);
        };
        let path = self.paths.file(&self.before_the_batch(id, place));
        let bytes = match self.disk.read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                self.is_gone(id, &entry, "its file is gone")?;
                return Ok(None);
            }
            Err(e) => {
                if matches!(self.disk.kind(&path)?, Some(Kind::File) | None) {
                    return Err(e.into());
                }
                let reason = "it is a link or a folder, and no plain file";
                self.set_aside(id, &entry, &place, reason)?;
                return Ok(None);
            }
            Ok(bytes) => bytes,
        };
        match body::read_task(&bytes) {
            Ok(task) if task.id == id => Ok(Some(StoredTask::from_parts(
                task,
                entry.due,
                entry.beats,
                entry.lease_for,
            ))),
            Ok(task) => {
                let reason = format!("its name says {id}, its content says {}", task.id);
                self.set_aside(id, &entry, &place, &reason)?;
                Ok(None)
            }
            Err(error) => {
                self.set_aside(id, &entry, &place, &error.to_string())?;
                Ok(None)
            }
        }
    }

    /// Where a task's file is.
    pub(super) fn place(&mut self, id: TaskId, entry: &Entry) -> Result<Option<Location>, Failure> {
        Ok(match entry.spot(id) {
            LogicalLocation::Running => Some(Location::Running(id)),
            LogicalLocation::Stopping => Some(Location::Stopping(id)),
            LogicalLocation::On(shelf, name) => {
                let chunk = self.chunks(shelf)?.chunk_of(name);
                chunk.map(|chunk| Location::On { shelf, chunk, name })
            }
        })
    }

    /// An entry with its last beat: renewals are noted in the index alone, also by other processes.
    pub(crate) fn beaten(&mut self, id: TaskId, known: Entry) -> Result<Entry, Failure> {
        if self.batch.renewed.contains_key(&id) {
            return Ok(known);
        }
        let fresh = self.files.fresh(&*self.disk, &self.paths, id)?;
        let fresh = fresh.filter(|fresh| fresh.lease == known.lease && fresh.beats > known.beats);
        Ok(fresh.map_or(known, |fresh| Entry {
            beats: fresh.beats,
            lease_for: fresh.lease_for,
            ..known
        }))
    }

    /// Where a file still is that the batch will move.
    pub(super) fn before_the_batch(&self, id: TaskId, place: Location) -> Location {
        let ops = &self.batch.ops;
        let first = self.batch.of_task.get(&id).map(|(first, _)| *first);
        let step = first.and_then(|first| ops.get(first));
        let mut place = match step {
            Some(Op::Put {
                from: Some(from), ..
            }) => *from,
            _ => place,
        };
        for op in ops[..first.unwrap_or(self.batch.fixed)].iter().rev() {
            if let (
                Op::SplitChunk { shelf, chunk, into },
                Location::On {
                    shelf: of,
                    chunk: at,
                    ..
                },
            ) = (op, &mut place)
                && (shelf, into) == (of, at)
            {
                *at = *chunk;
            }
        }
        place
    }

    pub(super) fn chunks(&mut self, shelf: Shelf) -> io::Result<&mut Chunks> {
        if !self.shelves.contains_key(&shelf) {
            let chunks = Chunks::list(&*self.disk, &self.paths.shelf(shelf))?;
            self.shelves.insert(shelf, chunks);
        }
        Ok(self.shelves.entry(shelf).or_default())
    }

    /// Looks into a chunk, so that what is remembered of it is whole.
    pub(super) fn look_into(&mut self, shelf: Shelf, chunk: ChunkName) -> io::Result<()> {
        if !self.chunks(shelf)?.is_read(chunk) {
            let names = names_in(&*self.disk, &self.paths.chunk(shelf, chunk))?;
            self.chunks(shelf)?.read(chunk, names);
        }
        Ok(())
    }

    /// The first names of a shelf.
    pub(crate) fn first(&mut self, shelf: Shelf) -> Result<Option<FileName>, Failure> {
        while let Some(chunk) = self.chunks(shelf)?.first() {
            self.look_into(shelf, chunk)?;
            let names = self.chunks(shelf)?.set(chunk);
            if let Some(first) = names.and_then(BTreeSet::first) {
                return Ok(Some(*first));
            }
            if !self.chunks(shelf)?.is_spent(chunk) {
                break;
            }
            self.drop_chunk(shelf, chunk);
        }
        Ok(None)
    }

    /// The first `limit` names of a shelf whose time has come.
    pub(crate) fn until(
        &mut self,
        shelf: Shelf,
        time: Timestamp,
        limit: usize,
    ) -> Result<Vec<FileName>, Failure> {
        let mut found = Vec::new();
        let chunks: Vec<_> = self.chunks(shelf)?.names().collect();
        for chunk in chunks {
            self.look_into(shelf, chunk)?;
            let names = self.chunks(shelf)?.set(chunk).into_iter().flatten();
            let before = found.len();
            let wanted = limit - before;
            found.extend(names.take_while(|name| name.time <= time).take(wanted));
            let some_later =
                self.chunks(shelf)?.set(chunk).map_or(0, BTreeSet::len) > found.len() - before;
            if found.len() == limit || some_later {
                break;
            }
        }
        Ok(found)
    }

    /// Who is next in a lane.
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
            // What this batch did before is not on the disk yet.
            let known = self.shelves.iter().filter(|(_, chunks)| !chunks.is_empty());
            priorities.extend(known.filter_map(|(shelf, _)| match shelf {
                Shelf::Ready { lane: of, priority } if *of == lane => Some(Reverse(*priority)),
                _ => None,
            }));
            self.priorities.insert(lane, priorities);
        }
        Ok(self.priorities.entry(lane).or_default())
    }

    /// The tasks that somebody holds.
    pub(crate) fn held(&mut self) -> Result<BTreeSet<TaskId>, Failure> {
        if self.held.is_none() {
            let mut held = BTreeSet::new();
            for folder in self.paths.held() {
                let id = |found: &DirEntry| {
                    let text = found.text()?.strip_suffix(ENDING)?;
                    let id = text.parse::<TaskId>().ok()?;
                    // There is one way to write it.
                    (found.kind != Kind::Folder && id.to_string() == text).then_some(id)
                };
                held.extend(self.disk.list(&folder)?.iter().filter_map(id));
            }
            // What this batch did before is not on the disk yet.
            for (id, row) in &self.rows {
                match row.task.owner {
                    Some(_) => held.insert(*id),
                    None => held.remove(id),
                };
            }
            self.held = Some(held);
        }
        Ok(self.held.clone().unwrap_or_default())
    }
}
