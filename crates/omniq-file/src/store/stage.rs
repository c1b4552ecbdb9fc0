//! Stages the steps of a batch: the cache changes immediately, the files after the commit.

use omniq_core::storage::StoredTask;
use omniq_core::{Error, ErrorKind, Task, TaskId};

use super::Store;
use crate::body;
use crate::entry::Entry;
use crate::errors::Failure;
use crate::index::segment_of;
use crate::lanes::Lane;
use crate::location::{ChunkName, Location, LogicalLocation, Shelf};
use crate::op::Op;
use crate::shelf::Room;

impl Store {
    /// Returns the next id. Chunks and quarantined files get ids too, so that every name is unique.
    pub(crate) fn next_id(&mut self) -> Result<TaskId, Failure> {
        let next = self.high_water.checked_add(1).and_then(TaskId::from_i64);
        let id = next.ok_or_else(|| Error::new(ErrorKind::Storage, "there are no ids left"))?;
        self.high_water = id.as_i64();
        Ok(id)
    }

    /// Adds a step to the batch.
    pub(crate) fn stage(&mut self, op: Op) {
        self.replay(&op);
        self.batch.ops.push(op);
    }

    /// Returns the number of a task's lane; creates the lane if there is none.
    fn lane_of(&mut self, task: &Task) -> u32 {
        let lane = Lane::of(task);
        if let Some(number) = self.lanes.number(&lane) {
            return number;
        }
        let number = self.lanes.next_number();
        self.stage(Op::AddLane { number, lane });
        number
    }

    /// Writes a task as it is now, and moves its file to where it belongs.
    pub(crate) fn put(&mut self, stored: StoredTask) -> Result<(), Failure> {
        let task = &stored.task;
        let id = task.id;
        let lane = self.lane_of(task);
        let before = self.entry(id)?;
        let mut entry = Entry::of(&stored, lane);
        if let Some(before) = before.filter(|before| before.lease == entry.lease) {
            let held = before.owner.is_some() && entry.owner.is_some();
            let latest = if held {
                self.with_renewals(id, before)?
            } else {
                before
            };
            (entry.renewals, entry.lease_for) = (latest.renewals, latest.lease_for);
        }
        self.update_reservations(&stored);
        self.cache_task(stored);
        self.stage_change(id, before, Some(entry), true)
    }

    /// Moves a task that has become due to the ready tasks.
    pub(crate) fn make_due(&mut self, id: TaskId) -> Result<(), Failure> {
        let Some(before) = self.entry(id)? else {
            return Ok(());
        };
        if let Some(stored) = self.cached_tasks.get_mut(&id) {
            stored.due = true;
        }
        let after = Entry {
            due: true,
            ..before
        };
        self.stage_change(id, Some(before), Some(after), false)
    }

    /// Deletes a task.
    pub(crate) fn forget(&mut self, id: TaskId) -> Result<(), Failure> {
        let before = self.entry(id)?;
        self.cached_tasks.remove(&id);
        self.stage_change(id, before, None, false)?;
        let segment = segment_of(id);
        let last = TaskId::from_i64(self.high_water).map_or(0, segment_of);
        if segment < last && self.index.is_empty(segment) {
            self.stage(Op::RemoveSegment(segment));
        }
        Ok(())
    }

    /// Stages the new entry of a task, and the move of its file to where the entry says.
    fn stage_change(
        &mut self,
        id: TaskId,
        before: Option<Entry>,
        after: Option<Entry>,
        new_body: bool,
    ) -> Result<(), Failure> {
        self.index.load(&*self.disk, &self.paths, id)?;
        let stays =
            matches!((before, after), (Some(a), Some(b)) if a.location(id) == b.location(id));
        let to = match after {
            Some(after) if !stays => Some(self.room_for(id, after.location(id))?),
            _ => None,
        };
        // This comes after room_for, because making room may have moved the file.
        let from = match before {
            Some(before) => self.location(id, &before)?,
            None => None,
        };
        if let Some(Location::On { shelf, chunk, .. }) = from {
            self.load_chunk(shelf, chunk)?;
        }
        let to = if stays { from } else { to };
        self.replay_move(id, from, to, after);
        self.stage_put(id, from, to, after, new_body);
        if let Some(Location::On { shelf, chunk, .. }) = from
            && self.chunks(shelf)?.is_removable(chunk)
        {
            self.remove_chunk(shelf, chunk);
        }
        Ok(())
    }

    /// Adds an `Op::Put`, or changes the one that the batch already has for the task: a task that moves twice in a batch
    /// moves once on the disk, unless a chunk was split in between.
    fn stage_put(
        &mut self,
        id: TaskId,
        from: Option<Location>,
        to: Option<Location>,
        entry: Option<Entry>,
        new_body: bool,
    ) {
        let staged = self.batch.of_task.get(&id).copied();
        let at = match staged.filter(|(_, last)| *last >= self.batch.frozen) {
            Some((_, last)) => {
                if let Op::Put {
                    to: staged_to,
                    entry: staged_entry,
                    ..
                } = &mut self.batch.ops[last]
                {
                    (*staged_to, *staged_entry) = (to, entry);
                }
                last
            }
            None => {
                self.batch.ops.push(Op::Put {
                    id,
                    from,
                    to,
                    entry,
                    body: None,
                });
                self.batch.ops.len() - 1
            }
        };
        let first = staged.map_or(at, |(first, _)| first);
        self.batch.of_task.insert(id, (first, at));
        match new_body {
            true => self.batch.with_body.insert(at),
            false if to.is_none() => self.batch.with_body.remove(&at),
            false => false,
        };
    }

    /// Returns where a file goes, after splitting the chunk if it is full.
    fn room_for(&mut self, id: TaskId, location: LogicalLocation) -> Result<Location, Failure> {
        let (shelf, name) = match location {
            LogicalLocation::Running => return Ok(Location::Running(id)),
            LogicalLocation::Stopping => return Ok(Location::Stopping(id)),
            LogicalLocation::On(shelf, name) => (shelf, name),
        };
        loop {
            if let Some(chunk) = self.chunks(shelf)?.chunk_of(name) {
                self.load_chunk(shelf, chunk)?;
            }
            let chunk = match self.chunks(shelf)?.room(name) {
                Room::In(chunk) => chunk,
                Room::New => ChunkName {
                    lowest: name,
                    number: self.next_id()?,
                },
                Room::Split(chunk, lowest) => {
                    let number = self.next_id()?;
                    let into = ChunkName { lowest, number };
                    self.stage(Op::SplitChunk { shelf, chunk, into });
                    self.batch.frozen = self.batch.ops.len();
                    continue;
                }
            };
            return Ok(Location::On { shelf, chunk, name });
        }
    }

    pub(super) fn remove_chunk(&mut self, shelf: Shelf, chunk: ChunkName) {
        self.stage(Op::RemoveChunk { shelf, chunk });
    }

    /// Returns the batch as the body of a record: its steps, with the contents of the files.
    pub(crate) fn encode_batch(&mut self) -> Result<Vec<u8>, Failure> {
        for at in std::mem::take(&mut self.batch.with_body) {
            if let Some(Op::Put {
                id,
                body,
                to: Some(_),
                ..
            }) = self.batch.ops.get_mut(at)
                && let Some(stored) = self.cached_tasks.get(id)
            {
                let content = body::write(stored).map_err(|e| {
                    let text = format!("the task {id} can't be written as JSON");
                    Error::new(ErrorKind::Storage, text).with_source(e)
                })?;
                *body = Some(content);
            }
        }
        let mut record = Vec::new();
        self.batch.ops.iter().for_each(|op| op.write(&mut record));
        Ok(record)
    }
}
