//! Handles task files that are missing, unreadable, or in the wrong folder.

use omniq_core::TaskId;

use super::Store;
use crate::entry::Entry;
use crate::errors::Failure;
use crate::escape::slug;
use crate::file_name::FileName;
use crate::location::{Location, LogicalLocation, Shelf};
use crate::op::Op;

impl Store {
    /// Whether a file on a shelf is the file of its task. A second file of a task is quarantined.
    pub(crate) fn has_task_at(&mut self, shelf: Shelf, name: FileName) -> Result<bool, Failure> {
        let Some(entry) = self.entry(name.id)? else {
            return Err(self.index.damage().into());
        };
        if entry.location(name.id) == LogicalLocation::On(shelf, name) {
            return Ok(true);
        }
        if !self.file_exists(name.id, &entry)? {
            // The index is wrong, not the file.
            return Err(self.index.damage().into());
        }
        if let Some(chunk) = self.chunks(shelf)?.chunk_of(name) {
            let location = Location::On { shelf, chunk, name };
            let reason = format!(
                "The file of task {} ({}) is in another folder",
                name.id, entry.status
            );
            self.quarantine(&location, reason)?;
            self.chunks(shelf)?.remove(chunk, name);
        }
        Ok(false)
    }

    fn quarantine(&mut self, location: &Location, reason: String) -> Result<(), Failure> {
        let path = self.paths.file(location);
        tracing::error!(path = %path.display(), reason, "a file is moved to queue/quarantine");
        let file = path.strip_prefix(self.paths.base()).unwrap_or(&path);
        let file = file.to_string_lossy().into_owned();
        let name = format!("{}-{}", self.next_id()?, slug(&file));
        self.stage(Op::Quarantine { file, name, reason });
        Ok(())
    }

    /// Deletes a task whose file is missing. If it has a file elsewhere (the cache is wrong, or the file was moved by
    /// hand), it fails instead, and all files are read again.
    pub(super) fn forget_missing(
        &mut self,
        id: TaskId,
        entry: &Entry,
        why: &str,
    ) -> Result<(), Failure> {
        if self.has_any_file(id)? {
            return Err(self.index.damage().into());
        }
        tracing::error!(task = %id, status = %entry.status, "{why}: the task is deleted");
        self.effects.finished.push(id);
        self.forget(id)
    }

    /// Quarantines lanes without a readable `lane.json`, after their tasks were moved out.
    pub(crate) fn quarantine_lanes(&mut self) -> Result<(), Failure> {
        for folder in std::mem::take(&mut self.lanes.unreadable) {
            let name = format!("{}-{}", self.next_id()?, slug(&folder));
            let reason =
                "Its lane.json can't be read; its tasks were moved to another folder".to_owned();
            tracing::error!(folder, reason, "a folder is moved to queue/quarantine");
            let file = format!("queue/lanes/{folder}");
            self.stage(Op::Quarantine { file, name, reason });
        }
        Ok(())
    }

    /// Quarantines the unreadable file of a task, and deletes the task.
    pub(super) fn quarantine_task(
        &mut self,
        id: TaskId,
        entry: &Entry,
        location: &Location,
        reason: &str,
    ) -> Result<(), Failure> {
        let reason = format!(
            "The file of task {id} ({}) can't be read: {reason}",
            entry.status
        );
        self.quarantine(location, reason)?;
        self.effects.finished.push(id);
        self.forget(id)
    }
}
