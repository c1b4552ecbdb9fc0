//! Builds the index from the task files: after damage, and if the log may have lost records.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use omniq_core::storage::StoredTask;
use omniq_core::{TaskId, TaskStatus};

use crate::body;
use crate::disk::{DirEntry, Kind, if_exists};
use crate::entry::{Entry, SIZE};
use crate::errors::Failure;
use crate::escape::slug;
use crate::file_name::{ENDING, FileName};
use crate::index::{self, PER_SEGMENT};
use crate::lanes::Lane;
use crate::location::{ChunkName, LogicalLocation, Shelf};
use crate::op::Op;
use crate::shelf::Chunks;
use crate::store::Store;
use crate::store::reservations::Reservations;

/// What was found in the folder.
#[derive(Default)]
struct Findings {
    /// The largest id of any task or chunk.
    largest: i64,
    entries: HashMap<TaskId, TaskInPlace>,
    /// Tasks whose files are not where they belong.
    misplaced: HashMap<TaskId, (StoredTask, PathBuf)>,
    /// Files that are to be quarantined, each with the reason.
    rejected: Vec<(PathBuf, String)>,
}

/// A task whose file is where it belongs.
struct TaskInPlace {
    entry: Entry,
    path: PathBuf,
    reservations: Reservations,
}

/// Whether the index was built completely.
pub(crate) fn is_complete(store: &Store) -> io::Result<bool> {
    Ok(store.disk.kind(&store.paths.index_is_complete())?.is_some())
}

/// Reads all files and writes the index. Stages the repairs of the files in the store's batch, and returns the largest id
/// that was given out.
pub(crate) fn rebuild(store: &mut Store) -> Result<i64, Failure> {
    let mut findings = Findings::default();
    findings.lanes(store)?;
    let results = store.paths.at("results");
    findings.other_files(store, &results, &["success", "failed", "cancelled"])?;
    for status in [
        TaskStatus::Success,
        TaskStatus::Failed,
        TaskStatus::Cancelled,
    ] {
        findings.shelf(store, Shelf::Finished(status))?;
    }
    let [running, stopping] = store.paths.held();
    findings.folder(store, &running, |_| Some(LogicalLocation::Running))?;
    findings.folder(store, &stopping, |_| Some(LogicalLocation::Stopping))?;
    findings.restore_reservations(store)?;
    write_index(store, &findings)?;
    store.high_water = store.high_water.max(findings.largest);
    store.forget_all()?;
    findings.repair(store)
}

impl Findings {
    fn lanes(&mut self, store: &Store) -> Result<(), Failure> {
        for found in store.disk.list(&store.paths.lanes())? {
            if found.kind != Kind::Folder {
                self.file(store, &found, store.paths.lanes().join(&found.name), None)?;
            }
        }
        for folder in &store.lanes.unreadable {
            self.unknown_folder(store, &store.paths.lanes().join(folder))?;
        }
        for lane in store.lanes.numbers() {
            let folder = store.paths.lane(lane);
            self.other_files(store, &folder, &["ready", "waiting", "held", "lane.json"])?;
            self.ready(store, lane)?;
            self.shelf(store, Shelf::Waiting { lane })?;
            self.shelf(store, Shelf::Paused { lane })?;
        }
        Ok(())
    }

    fn ready(&mut self, store: &Store, lane: u32) -> Result<(), Failure> {
        let ready = store.paths.priorities(lane);
        for found in if_exists(store.disk.list(&ready))?.unwrap_or_default() {
            let priority = |name: &str| name.strip_prefix('p')?.parse().ok();
            match found.text().and_then(priority) {
                Some(priority) => self.shelf(store, Shelf::Ready { lane, priority })?,
                None => self.file(store, &found, ready.join(&found.name), None)?,
            }
        }
        Ok(())
    }

    /// Reads what does not belong into a folder: a task may have been moved there by hand.
    fn other_files(&mut self, store: &Store, folder: &Path, known: &[&str]) -> Result<(), Failure> {
        for found in if_exists(store.disk.list(folder))?.unwrap_or_default() {
            if !found.text().is_some_and(|name| known.contains(&name)) {
                self.file(store, &found, folder.join(&found.name), None)?;
            }
        }
        Ok(())
    }

    fn shelf(&mut self, store: &Store, shelf: Shelf) -> Result<(), Failure> {
        let folder = store.paths.shelf(shelf);
        let chunks = Chunks::list(&*store.disk, &folder)?;
        for found in if_exists(store.disk.list(&folder))?.unwrap_or_default() {
            let chunk = match found.kind {
                Kind::Folder => found.text().and_then(ChunkName::parse),
                _ => None,
            };
            let Some(chunk) = chunk else {
                self.file(store, &found, folder.join(&found.name), None)?;
                continue;
            };
            self.largest = self.largest.max(chunk.number.as_i64());
            // A task in the wrong chunk is never found, so its file is misplaced.
            let belongs_here = |name: &FileName| chunks.chunk_of(*name) == Some(chunk);
            let location = |name: &str| {
                Some(LogicalLocation::On(
                    shelf,
                    FileName::of_file(name).filter(belongs_here)?,
                ))
            };
            self.folder(store, &store.paths.chunk(shelf, chunk), location)?;
        }
        Ok(())
    }

    /// Reads the files in and below a folder where no task belongs.
    fn unknown_folder(&mut self, store: &Store, folder: &Path) -> Result<(), Failure> {
        for found in store.disk.list(folder)? {
            if found.name != "lane.json" {
                self.file(store, &found, folder.join(&found.name), None)?;
            }
        }
        Ok(())
    }

    fn folder(
        &mut self,
        store: &Store,
        folder: &Path,
        location: impl Fn(&str) -> Option<LogicalLocation>,
    ) -> Result<(), Failure> {
        for found in if_exists(store.disk.list(folder))?.unwrap_or_default() {
            let path = folder.join(&found.name);
            let location = found
                .text()
                .filter(|name| name.ends_with(ENDING))
                .and_then(&location);
            self.file(store, &found, path, location)?;
        }
        Ok(())
    }

    /// Reads a file. `location` is where the file is, if a task may be there.
    fn file(
        &mut self,
        store: &Store,
        found: &DirEntry,
        path: PathBuf,
        location: Option<LogicalLocation>,
    ) -> Result<(), Failure> {
        if found.kind == Kind::Folder {
            return self.unknown_folder(store, &path);
        }
        if found.kind != Kind::File {
            self.rejected
                .push((path, "It is not a regular file".to_owned()));
            return Ok(());
        }
        let path = ensure_text_path(store, path)?;
        let bytes = store.disk.read(&path)?;
        let mut stored = match body::read(&bytes) {
            Ok(stored) => stored,
            Err(error) => {
                self.rejected
                    .push((path, format!("It can't be read: {error}")));
                return Ok(());
            }
        };
        let id = stored.task.id;
        self.largest = self.largest.max(id.as_i64());
        // A task that becomes due is only moved: its file does not say that it is due.
        match location {
            Some(LogicalLocation::On(Shelf::Ready { .. }, _)) => stored.due = true,
            Some(LogicalLocation::On(Shelf::Waiting { .. }, _)) => stored.due = false,
            _ => {}
        }
        let lane = store.lanes.number(&Lane::of(&stored.task));
        let entry = Entry::of(&stored, lane.unwrap_or_default());
        let has_right_name = found.text() == Some(entry.location(id).file_name(id).as_str());
        let in_place = has_right_name && location == Some(entry.location(id)) && entry.lane != 0;
        self.keep(stored, entry, path, in_place);
        Ok(())
    }

    /// Records a task. If there are two files of it, the one with more progress counts.
    fn keep(&mut self, stored: StoredTask, entry: Entry, path: PathBuf, in_place: bool) {
        let id = stored.task.id;
        let progress = |entry: &Entry| {
            (
                entry.lease,
                entry.status != TaskStatus::Pending,
                entry.status.is_finished(),
            )
        };
        let known = self.entries.get(&id).map(|known| progress(&known.entry));
        let misplaced = self
            .misplaced
            .get(&id)
            .map(|(stored, _)| progress(&Entry::of(stored, 0)));
        let older = "There is another file of this task, which is newer";
        if known.max(misplaced) > Some(progress(&entry)) {
            self.rejected.push((path, older.to_owned()));
            return;
        }
        let outdated = self.entries.remove(&id).map(|known| known.path);
        let outdated = outdated
            .into_iter()
            .chain(self.misplaced.remove(&id).map(|(_, path)| path));
        self.rejected
            .extend(outdated.map(|path| (path, older.to_owned())));
        if in_place {
            let reservations = Reservations::of(&stored.task);
            let task = TaskInPlace {
                entry,
                path,
                reservations,
            };
            self.entries.insert(id, task);
        } else {
            self.misplaced.insert(id, (stored, path));
        }
    }

    /// Writes missing reservations. If a power cut left two tasks with the same reservation, the later one gets it.
    fn restore_reservations(&self, store: &Store) -> Result<(), Failure> {
        let mut ids: Vec<_> = self.entries.keys().collect();
        ids.sort_unstable();
        for id in ids {
            store.restore(*id, &self.entries[id].reservations)?;
        }
        Ok(())
    }

    /// Stages the repairs: moves tasks to where they belong, and quarantines the rejected files.
    fn repair(self, store: &mut Store) -> Result<i64, Failure> {
        let base = store.paths.base().to_owned();
        let relative = |path: &Path| {
            let path = path.strip_prefix(&base).unwrap_or(path);
            path.to_string_lossy().into_owned()
        };
        for (path, reason) in self.rejected {
            tracing::error!(path = %path.display(), reason, "a file is moved to queue/quarantine");
            let file = relative(&path);
            let name = format!("{}-{}", store.next_id()?, slug(&file));
            store.stage(Op::Quarantine { file, name, reason });
        }
        // All are removed before the first is written again, because making room for one may move the others.
        for (_, path) in self.misplaced.values() {
            tracing::warn!(path = %path.display(), "a task is moved to where it belongs");
            store.stage(Op::RemoveFile {
                file: relative(path),
            });
        }
        store.quarantine_lanes()?;
        for (stored, _) in self.misplaced.into_values() {
            store.put(stored)?;
        }
        Ok(store.high_water)
    }
}

/// Renames a file whose path is not valid text, because the log can't hold such a path.
fn ensure_text_path(store: &Store, path: PathBuf) -> io::Result<PathBuf> {
    if path
        .strip_prefix(store.paths.base())
        .is_ok_and(|path| path.to_str().is_some())
    {
        return Ok(path);
    }
    let name = format!("stray-{:016x}", fastrand::u64(..));
    let text_path = store.paths.lanes().join(name);
    store.disk.rename(&path, &text_path)?;
    Ok(text_path)
}

/// Writes the index in place, so that a process that has one of its files open sees the new content.
fn write_index(store: &mut Store, findings: &Findings) -> Result<(), Failure> {
    let mut segments: HashMap<u64, Vec<u8>> = HashMap::new();
    let empty = || vec![0; PER_SEGMENT as usize * SIZE];
    for number in index::segments(&*store.disk, &store.paths)? {
        segments.insert(number, empty());
    }
    for (id, known) in &findings.entries {
        let bytes = segments.entry(index::segment_of(*id)).or_insert_with(empty);
        let at = index::offset(*id);
        bytes[at..at + SIZE].copy_from_slice(&known.entry.to_bytes());
    }
    for (number, bytes) in segments {
        store
            .disk
            .write(&store.paths.segment(number), &bytes, true)?;
    }
    let marker = store.paths.index_is_complete();
    Ok(store.disk.write(&marker, b"1\n", true)?)
}
