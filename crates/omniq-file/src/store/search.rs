//! Where files really are, whatever is remembered: a task is only forgotten once the disk has no file of it.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use omniq_core::TaskId;

use super::Store;
use crate::disk::{DirEntry, Disk, Kind, if_exists};
use crate::entry::Entry;
use crate::errors::Failure;
use crate::file_name::ENDING;

/// All folders that tasks are below.
const ROOTS: [&str; 4] = ["queue/lanes", "queue/running", "queue/stopping", "results"];

impl Store {
    /// Whether there is a file of this task anywhere. One walk for a batch, since the files follow after it.
    pub(super) fn is_on_disk(&mut self, id: TaskId) -> io::Result<bool> {
        if self.batch.on_disk.is_none() {
            let mut ids = HashSet::new();
            for root in ROOTS {
                walk(&*self.disk, &self.paths.at(root), &mut ids)?;
            }
            self.batch.on_disk = Some(ids);
        }
        Ok(self.batch.on_disk.iter().any(|ids| ids.contains(&id)))
    }

    /// Whether the file is where an entry says.
    pub(super) fn is_where_it_says(&mut self, id: TaskId, entry: &Entry) -> Result<bool, Failure> {
        let Some(place) = self.place(id, entry)? else {
            return Ok(false);
        };
        let path = self.paths.file(&self.before_the_batch(id, place));
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

/// The id that a file's name ends with, whatever comes before it.
fn id_of(found: &DirEntry) -> Option<TaskId> {
    const LEN: usize = 13;
    let name = found.text()?.strip_suffix(ENDING)?;
    name.get(name.len().checked_sub(LEN)?..)?.parse().ok()
}
