//! Searches the disk for files, independently of the cache: a task is deleted only if the disk has no file of it.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use omniq_core::TaskId;

use super::Store;
use crate::disk::{DirEntry, Disk, Kind, if_exists};
use crate::entry::Entry;
use crate::errors::Failure;
use crate::file_name::ENDING;

/// The folders below which tasks are.
const ROOTS: [&str; 4] = ["queue/lanes", "queue/running", "queue/stopping", "results"];

impl Store {
    /// Whether there is a file of this task anywhere. The folders are listed once in a batch, because its changes are
    /// applied after it.
    pub(super) fn has_any_file(&mut self, id: TaskId) -> io::Result<bool> {
        if self.batch.on_disk.is_none() {
            let mut ids = HashSet::new();
            for root in ROOTS {
                walk(&*self.disk, &self.paths.at(root), &mut ids)?;
            }
            self.batch.on_disk = Some(ids);
        }
        Ok(self.batch.on_disk.iter().any(|ids| ids.contains(&id)))
    }

    /// Whether the task's file is where its entry says.
    pub(super) fn file_exists(&mut self, id: TaskId, entry: &Entry) -> Result<bool, Failure> {
        let Some(location) = self.location(id, entry)? else {
            return Ok(false);
        };
        let path = self.paths.file(&self.location_on_disk(id, location));
        Ok(self.disk.kind(&path)?.is_some())
    }
}

fn walk(disk: &dyn Disk, folder: &Path, ids: &mut HashSet<TaskId>) -> io::Result<()> {
    for found in if_exists(disk.list(folder))?.unwrap_or_default() {
        match found.kind {
            Kind::Folder => walk(disk, &folder.join(&found.name), ids)?,
            _ => ids.extend(id_of(&found)),
        }
    }
    Ok(())
}

/// Returns the id at the end of a file's name.
fn id_of(found: &DirEntry) -> Option<TaskId> {
    const LEN: usize = 13;
    let name = found.text()?.strip_suffix(ENDING)?;
    name.get(name.len().checked_sub(LEN)?..)?.parse().ok()
}
