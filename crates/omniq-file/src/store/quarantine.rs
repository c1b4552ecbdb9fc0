//! Files that are not what they should be: gone, torn, or put somewhere by hand.

use omniq_core::TaskId;

use super::Store;
use crate::entry::Entry;
use crate::errors::Failure;
use crate::escape::slug;
use crate::file_name::FileName;
use crate::location::{Location, LogicalLocation, Shelf};
use crate::op::Op;

impl Store {
    /// Whether the task of a name stands there. A file that somebody put there goes to the quarantine.
    pub(crate) fn is_known(&mut self, shelf: Shelf, name: FileName) -> Result<bool, Failure> {
        let Some(entry) = self.entry(name.id)? else {
            return Err(self.index.damage().into());
        };
        if entry.spot(name.id) == LogicalLocation::On(shelf, name) {
            return Ok(true);
        }
        if !self.is_where_it_says(name.id, &entry)? {
            // Then it is the index that is wrong.
            return Err(self.index.damage().into());
        }
        if let Some(chunk) = self.chunks(shelf)?.chunk_of(name) {
            let place = Location::On { shelf, chunk, name };
            let reason = format!("Task {} is elsewhere, and {}", name.id, entry.status);
            self.quarantine(&place, reason)?;
            self.chunks(shelf)?.remove(chunk, name);
        }
        Ok(false)
    }

    fn quarantine(&mut self, place: &Location, reason: String) -> Result<(), Failure> {
        let path = self.paths.file(place);
        tracing::error!(path = %path.display(), reason, "a file goes to queue/quarantine");
        let file = path.strip_prefix(self.paths.base()).unwrap_or(&path);
        let file = file.to_string_lossy().into_owned();
        let name = format!("{}-{}", self.next_id()?, slug(&file));
        self.stage(Op::Quarantine { file, name, reason });
        Ok(())
    }

    /// A file was removed by hand: its task is gone, and the others go on. If it is elsewhere, what is
    /// remembered is wrong, or it was moved by hand: all files are read again, and the task is found.
    pub(super) fn is_gone(&mut self, id: TaskId, entry: &Entry, why: &str) -> Result<(), Failure> {
        if self.is_on_disk(id)? {
            return Err(self.index.damage().into());
        }
        tracing::error!(task = %id, status = %entry.status, "{why}: the task is forgotten");
        self.effects.finished.push(id);
        self.forget(id)
    }

    /// Lanes that don't say what they are for go to the quarantine, once their tasks were taken out.
    pub(crate) fn set_aside_lanes(&mut self) -> Result<(), Failure> {
        for folder in std::mem::take(&mut self.lanes.unreadable) {
            let name = format!("{}-{}", self.next_id()?, slug(&folder));
            let reason =
                "Its lane.json can't be read; its tasks were given another folder".to_owned();
            tracing::error!(folder, reason, "a folder goes to queue/quarantine");
            let file = format!("queue/lanes/{folder}");
            self.stage(Op::Quarantine { file, name, reason });
        }
        Ok(())
    }

    /// A file that is none of ours any more goes to the quarantine, with the reason.
    pub(super) fn set_aside(
        &mut self,
        id: TaskId,
        entry: &Entry,
        place: &Location,
        reason: &str,
    ) -> Result<(), Failure> {
        let reason = format!(
            "The file of task {id} ({}) can't be read: {reason}",
            entry.status
        );
        self.quarantine(place, reason)?;
        self.effects.finished.push(id);
        self.forget(id)
    }
}
