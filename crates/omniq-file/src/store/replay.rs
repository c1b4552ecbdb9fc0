//! Every step, ours and those of others, changes what is remembered in the same way.

use std::cmp::Reverse;

use omniq_core::TaskId;

use super::Store;
use crate::entry::Entry;
use crate::lanes::Lane;
use crate::location::{Location, Shelf};
use crate::op::Op;

impl Store {
    /// Steps that another process did. They are on the disk.
    pub(crate) fn others_did(&mut self, ops: &[Op]) {
        for op in ops {
            if let Op::Put { id, .. } = op {
                self.rows.remove(id);
            }
            if let Op::RemoveSegment(number) = op {
                self.files.is_removed(*number);
            }
            self.note(op);
        }
    }

    /// What is not remembered will be read when it is needed.
    pub(super) fn note(&mut self, op: &Op) {
        match op {
            Op::Lane {
                number,
                queue,
                name,
                format,
            } => {
                let lane = Lane {
                    queue: queue.clone(),
                    name: name.clone(),
                    format: *format,
                };
                self.paths.lane_is_called(*number, lane.folder(*number));
                self.lanes.add(*number, lane);
            }
            Op::Put {
                id,
                from,
                to,
                entry,
                ..
            } => self.moves(*id, *from, *to, *entry),
            Op::SplitChunk { shelf, chunk, into } => {
                if let Some(chunks) = self.shelves.get_mut(shelf) {
                    chunks.split(*chunk, *into);
                }
            }
            Op::RemoveChunk { shelf, chunk } => {
                if let Some(chunks) = self.shelves.get_mut(shelf) {
                    chunks.drop_chunk(*chunk);
                }
            }
            Op::UniqueKey { .. } | Op::SeriesMember { .. } | Op::RemoveSegment(_) => {}
            Op::Quarantine { .. } | Op::RemoveFile { .. } => {}
        }
    }

    pub(super) fn moves(
        &mut self,
        id: TaskId,
        from: Option<Location>,
        to: Option<Location>,
        entry: Option<Entry>,
    ) {
        match from {
            Some(Location::On { shelf, chunk, name }) => {
                if let Some(chunks) = self.shelves.get_mut(&shelf) {
                    chunks.remove(chunk, name);
                }
            }
            Some(Location::Running(id) | Location::Stopping(id)) => {
                self.held.as_mut().map(|held| held.remove(&id));
            }
            None => {}
        }
        match to {
            Some(Location::On { shelf, chunk, name }) => {
                if let Some(chunks) = self.shelves.get_mut(&shelf) {
                    chunks.insert(chunk, name);
                }
                if let Shelf::Ready { lane, priority } = shelf
                    && let Some(priorities) = self.priorities.get_mut(&lane)
                {
                    priorities.insert(Reverse(priority));
                }
            }
            Some(Location::Running(id) | Location::Stopping(id)) => {
                self.held.as_mut().map(|held| held.insert(id));
            }
            None => {}
        }
        self.index.set(id, entry);
    }
}
