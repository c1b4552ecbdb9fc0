//! What a batch will do, step by step. The files do not know of it yet; everything in here does.

use omniq_core::storage::StoredTask;
use omniq_core::{Error, ErrorKind, Format, TaskId};

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
    /// A number that nothing had before.
    pub(crate) fn next_id(&mut self) -> Result<TaskId, Failure> {
        let next = self.high_water.checked_add(1).and_then(TaskId::from_i64);
        let id = next.ok_or_else(|| Error::new(ErrorKind::Storage, "there are no ids left"))?;
        self.high_water = id.as_i64();
        Ok(id)
    }

    pub(super) fn stage(&mut self, op: Op) {
        self.note(&op);
        self.batch.ops.push(op);
    }

    pub(crate) fn lane(&mut self, queue: &str, name: &str, format: Format) -> u32 {
        let lane = Lane {
            queue: queue.to_owned(),
            name: name.to_owned(),
            format,
        };
        if let Some(number) = self.lanes.number(&lane) {
            return number;
        }
        let number = self.lanes.next();
        let Lane { queue, name, .. } = lane;
        self.stage(Op::Lane {
            number,
            queue,
            name,
            format,
        });
        number
    }

    /// Keeps a task as it is now, wherever it was before.
    pub(crate) fn put(&mut self, row: StoredTask) -> Result<(), Failure> {
        let task = &row.task;
        let id = task.id;
        let lane = match self.lanes_of(&row) {
            Some(lane) => lane,
            None => self.lane(&task.queue, &task.name, task.payload.format),
        };
        let before = self.entry(id)?;
        let mut entry = Entry::of(&row, lane);
        if let Some(before) = before.filter(|before| before.lease == entry.lease) {
            let held = before.owner.is_some() && entry.owner.is_some();
            let beaten = if held {
                self.beaten(id, before)?
            } else {
                before
            };
            (entry.beats, entry.lease_for) = (beaten.beats, beaten.lease_for);
        }
        self.keep_claims(&row);
        self.remember(row);
        self.change(id, before, Some(entry), true)
    }

    fn lanes_of(&self, row: &StoredTask) -> Option<u32> {
        let task = &row.task;
        // The lane of a task never changes, and its number stands in the entry; this spares three texts.
        let lane = Lane {
            queue: task.queue.clone(),
            name: task.name.clone(),
            format: task.payload.format,
        };
        self.lanes.number(&lane)
    }

    /// A task that waited has come due.
    pub(crate) fn comes_due(&mut self, id: TaskId) -> Result<(), Failure> {
        let Some(before) = self.entry(id)? else {
            return Ok(());
        };
        if let Some(row) = self.rows.get_mut(&id) {
            row.due = true;
        }
        let after = Entry {
            due: true,
            ..before
        };
        self.change(id, Some(before), Some(after), false)
    }

    /// Nothing is left of a task.
    pub(crate) fn forget(&mut self, id: TaskId) -> Result<(), Failure> {
        let before = self.entry(id)?;
        self.rows.remove(&id);
        self.change(id, before, None, false)?;
        let segment = segment_of(id);
        let last = TaskId::from_i64(self.high_water).map_or(0, segment_of);
        if segment < last && self.index.is_empty(segment) {
            self.stage(Op::RemoveSegment(segment));
        }
        Ok(())
    }

    /// One step: from where the file is to where it belongs.
    fn change(
        &mut self,
        id: TaskId,
        before: Option<Entry>,
        after: Option<Entry>,
        new_body: bool,
    ) -> Result<(), Failure> {
        self.index.load(&*self.disk, &self.paths, id)?;
        let stays = matches!((before, after), (Some(a), Some(b)) if a.spot(id) == b.spot(id));
        let to = match after {
            Some(after) if !stays => Some(self.room_for(id, after.spot(id))?),
            _ => None,
        };
        // Only now: making room may have moved it.
        let from = match before {
            Some(before) => self.place(id, &before)?,
            None => None,
        };
        if let Some(Location::On { shelf, chunk, .. }) = from {
            self.look_into(shelf, chunk)?;
        }
        let to = if stays { from } else { to };
        self.moves(id, from, to, after);
        self.step(id, from, to, after, new_body);
        if let Some(Location::On { shelf, chunk, .. }) = from
            && self.chunks(shelf)?.is_spent(chunk)
        {
            self.drop_chunk(shelf, chunk);
        }
        Ok(())
    }

    /// A task that moves twice in a batch moves once on the disk, unless a chunk was split in between.
    fn step(
        &mut self,
        id: TaskId,
        from: Option<Location>,
        to: Option<Location>,
        entry: Option<Entry>,
        new_body: bool,
    ) {
        let known = self.batch.of_task.get(&id).copied();
        let at = match known.filter(|(_, last)| *last >= self.batch.fixed) {
            Some((_, last)) => {
                if let Op::Put {
                    to: then,
                    entry: known,
                    ..
                } = &mut self.batch.ops[last]
                {
                    (*then, *known) = (to, entry);
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
        let first = known.map_or(at, |(first, _)| first);
        self.batch.of_task.insert(id, (first, at));
        match new_body {
            true => self.batch.with_body.insert(at),
            false if to.is_none() => self.batch.with_body.remove(&at),
            false => false,
        };
    }

    fn room_for(&mut self, id: TaskId, spot: LogicalLocation) -> Result<Location, Failure> {
        let (shelf, name) = match spot {
            LogicalLocation::Running => return Ok(Location::Running(id)),
            LogicalLocation::Stopping => return Ok(Location::Stopping(id)),
            LogicalLocation::On(shelf, name) => (shelf, name),
        };
        loop {
            if let Some(chunk) = self.chunks(shelf)?.chunk_of(name) {
                self.look_into(shelf, chunk)?;
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
                    self.batch.fixed = self.batch.ops.len();
                    continue;
                }
            };
            return Ok(Location::On { shelf, chunk, name });
        }
    }

    pub(super) fn drop_chunk(&mut self, shelf: Shelf, chunk: ChunkName) {
        self.stage(Op::RemoveChunk { shelf, chunk });
    }

    /// A step about a file that is no task yet.
    pub(crate) fn stage_file(&mut self, op: Op) {
        self.stage(op);
    }

    /// The batch as a record: its steps, with what the files are to hold.
    pub(crate) fn seal(&mut self) -> Result<Vec<u8>, Failure> {
        for at in std::mem::take(&mut self.batch.with_body) {
            if let Some(Op::Put {
                id,
                body,
                to: Some(_),
                ..
            }) = self.batch.ops.get_mut(at)
                && let Some(row) = self.rows.get(id)
            {
                let written = body::write(row).map_err(|e| {
                    let text = format!("the task {id} can't be written as JSON: {e}");
                    Error::new(ErrorKind::Storage, text).with_source(e)
                })?;
                *body = Some(written);
            }
        }
        let mut record = Vec::new();
        self.batch.ops.iter().for_each(|op| op.write(&mut record));
        Ok(record)
    }
}
