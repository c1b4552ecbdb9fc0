//! Replays steps in the cache, both our own and those of other processes.

use std::cmp::Reverse;

use omniq_core::TaskId;

use super::Store;
use crate::entry::Entry;
use crate::location::{Location, Shelf};
use crate::op::Op;

impl Store {
    /// Replays steps that another process has applied to the files.
    pub(crate) fn replay_of_others(&mut self, ops: &[Op]) {
        for op in ops {
            if let Op::Put { id, .. } = op {
                self.cached_tasks.remove(id);
            }
            if let Op::RemoveSegment(number) = op {
                self.files.close(*number);
            }
            self.replay(op);
        }
    }

    /// Replays a step. What is not cached is read when it is needed.
    pub(super) fn replay(&mut self, op: &Op) {
        match op {
            Op::AddLane { number, lane } => {
                lane.register(*number, &mut self.paths);
                self.lanes.add(*number, lane.clone());
            }
            Op::Put {
                id,
                from,
                to,
                entry,
                ..
            } => self.replay_move(*id, *from, *to, *entry),
            Op::SplitChunk { shelf, chunk, into } => {
                if let Some(chunks) = self.shelves.get_mut(shelf) {
                    chunks.split(*chunk, *into);
                }
            }
            Op::RemoveChunk { shelf, chunk } => {
                if let Some(chunks) = self.shelves.get_mut(shelf) {
                    chunks.remove_chunk(*chunk);
                }
            }
            Op::UniqueKey { .. } | Op::SeriesMember { .. } | Op::RemoveSegment(_) => {}
            Op::Quarantine { .. } | Op::RemoveFile { .. } => {}
        }
    }

    pub(super) fn replay_move(
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
