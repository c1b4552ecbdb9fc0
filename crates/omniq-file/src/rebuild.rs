//! Builds the index from the files themselves: after damage, and where the log may not tell all.

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
use crate::location::{ChunkName, LogicalLocation, Shelf};
use crate::op::Op;
use crate::shelf::Chunks;
use crate::store::Store;
use crate::store::reservations::Reservations;

/// What was found.
#[derive(Default)]
pub(crate) struct Findings {
    /// The largest number that anything has.
    pub(crate) largest: i64,
    entries: HashMap<TaskId, Known>,
    /// Tasks that are not where they belong.
    astray: HashMap<TaskId, (StoredTask, PathBuf)>,
    /// What is no task, with the reason.
    broken: Vec<(PathBuf, String)>,
}

/// A task that is where it belongs.
struct Known {
    entry: Entry,
    path: PathBuf,
    claims: Reservations,
}

/// Whether the index was ever built to its end.
pub(crate) fn is_whole(store: &Store) -> io::Result<bool> {
    Ok(store.disk.kind(&store.paths.index_is_whole())?.is_some())
}

/// Reads every file, and writes the index. What is left to do is in the store's batch; the largest number that
/// was given out comes back.
pub(crate) fn rebuild(store: &mut Store) -> Result<i64, Failure> {
    let mut findings = Findings::default();
    findings.lanes(store)?;
    let results = store.paths.at("results");
    findings.strays(store, &results, &["success", "failed", "cancelled"])?;
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
    findings.restore_claims(store)?;
    write_index(store, &findings)?;
    store.high_water = store.high_water.max(findings.largest);
    store.forget_all()?;
    findings.mend(store)
}

impl Findings {
    fn lanes(&mut self, store: &Store) -> Result<(), Failure> {
        for found in store.disk.list(&store.paths.lanes())? {
            if found.kind != Kind::Folder {
                self.file(store, &found, store.paths.lanes().join(&found.name), None)?;
            }
        }
        for folder in &store.lanes.unreadable {
            self.lost(store, &store.paths.lanes().join(folder))?;
        }
        for lane in store.lanes.numbers() {
            let folder = store.paths.lane(lane);
            self.strays(store, &folder, &["ready", "waiting", "held", "lane.json"])?;
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

    /// What is in a folder beside what belongs there: somebody may have put a task there by hand.
    fn strays(&mut self, store: &Store, folder: &Path, known: &[&str]) -> Result<(), Failure> {
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
            let chunk = found.text().and_then(ChunkName::parse);
            let Some(chunk) = chunk.filter(|_| found.kind == Kind::Folder) else {
                self.file(store, &found, folder.join(&found.name), None)?;
                continue;
            };
            self.largest = self.largest.max(chunk.number.as_i64());
            // In another chunk nobody would look for it.
            let fits = |name: &FileName| chunks.chunk_of(*name) == Some(chunk);
            let spot = |name: &str| {
                Some(LogicalLocation::On(
                    shelf,
                    FileName::of_file(name).filter(fits)?,
                ))
            };
            self.folder(store, &store.paths.chunk(shelf, chunk), spot)?;
        }
        Ok(())
    }

    /// Below a folder that nobody would look into.
    fn lost(&mut self, store: &Store, folder: &Path) -> Result<(), Failure> {
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
        spot: impl Fn(&str) -> Option<LogicalLocation>,
    ) -> Result<(), Failure> {
        for found in if_exists(store.disk.list(folder))?.unwrap_or_default() {
            let path = folder.join(&found.name);
            let spot = found
                .text()
                .filter(|name| name.ends_with(ENDING))
                .and_then(&spot);
            self.file(store, &found, path, spot)?;
        }
        Ok(())
    }

    fn file(
        &mut self,
        store: &Store,
        found: &DirEntry,
        path: PathBuf,
        spot: Option<LogicalLocation>,
    ) -> Result<(), Failure> {
        if found.kind == Kind::Folder {
            return self.lost(store, &path);
        }
        if found.kind != Kind::File {
            self.broken.push((path, "It is no plain file".to_owned()));
            return Ok(());
        }
        let path = with_a_text_for_a_name(store, path)?;
        let bytes = store.disk.read(&path)?;
        let mut row = match body::read(&bytes) {
            Ok(row) => row,
            Err(error) => {
                self.broken
                    .push((path, format!("It can't be read: {error}")));
                return Ok(());
            }
        };
        let id = row.task.id;
        self.largest = self.largest.max(id.as_i64());
        // A file that waited and came due only moved.
        match spot {
            Some(LogicalLocation::On(Shelf::Ready { .. }, _)) => row.due = true,
            Some(LogicalLocation::On(Shelf::Waiting { .. }, _)) => row.due = false,
            _ => {}
        }
        let task = &row.task;
        let lane = crate::lanes::Lane {
            queue: task.queue.clone(),
            name: task.name.clone(),
            format: task.payload.format,
        };
        let entry = Entry::of(&row, store.lanes.number(&lane).unwrap_or_default());
        let named = found.text() == Some(entry.spot(id).file_name(id).as_str());
        let in_place = named && spot == Some(entry.spot(id)) && entry.lane != 0;
        self.keep(row, entry, path, in_place);
        Ok(())
    }

    /// Of two files of one task, the one that came further counts.
    fn keep(&mut self, row: StoredTask, entry: Entry, path: PathBuf, in_place: bool) {
        let id = row.task.id;
        let progress = |entry: &Entry| {
            (
                entry.lease,
                entry.status != TaskStatus::Pending,
                entry.status.is_finished(),
            )
        };
        let known = self.entries.get(&id).map(|known| progress(&known.entry));
        let astray = self
            .astray
            .get(&id)
            .map(|(row, _)| progress(&Entry::of(row, 0)));
        let older = "There is another file of this task, which is newer";
        if known.max(astray) > Some(progress(&entry)) {
            self.broken.push((path, older.to_owned()));
            return;
        }
        let outdated = self.entries.remove(&id).map(|known| known.path);
        let outdated = outdated
            .into_iter()
            .chain(self.astray.remove(&id).map(|(_, path)| path));
        self.broken
            .extend(outdated.map(|path| (path, older.to_owned())));
        if in_place {
            let claims = Reservations::of(&row.task);
            let known = Known {
                entry,
                path,
                claims,
            };
            self.entries.insert(id, known);
        } else {
            self.astray.insert(id, (row, path));
        }
    }

    /// Of two that claim the same, which a power cut may leave, the later one has it.
    fn restore_claims(&self, store: &Store) -> Result<(), Failure> {
        let mut ids: Vec<_> = self.entries.keys().collect();
        ids.sort_unstable();
        for id in ids {
            store.restore(*id, &self.entries[id].claims)?;
        }
        Ok(())
    }

    /// Brings tasks to where they belong, and sets aside what is none.
    fn mend(self, store: &mut Store) -> Result<i64, Failure> {
        let base = store.paths.base().to_owned();
        let file = |path: &Path| {
            let path = path.strip_prefix(&base).unwrap_or(path);
            path.to_string_lossy().into_owned()
        };
        for (path, reason) in self.broken {
            tracing::error!(path = %path.display(), reason, "a file goes to queue/quarantine");
            let file = file(&path);
            let name = format!("{}-{}", store.next_id()?, slug(&file));
            store.stage_file(Op::Quarantine { file, name, reason });
        }
        // All are taken away before the first is put back: making room moves what stands in a folder.
        for (_, path) in self.astray.values() {
            tracing::warn!(path = %path.display(), "a task is brought to where it belongs");
            store.stage_file(Op::RemoveFile { file: file(path) });
        }
        store.set_aside_lanes()?;
        for (row, _) in self.astray.into_values() {
            store.put(row)?;
        }
        Ok(store.high_water)
    }
}

/// Steps name files by texts, which not every path is.
fn with_a_text_for_a_name(store: &Store, path: PathBuf) -> io::Result<PathBuf> {
    if path
        .strip_prefix(store.paths.base())
        .is_ok_and(|path| path.to_str().is_some())
    {
        return Ok(path);
    }
    let name = format!("stray-{:016x}", fastrand::u64(..));
    let named = store.paths.lanes().join(name);
    store.disk.rename(&path, &named)?;
    Ok(named)
}

/// In place, so that who has a file of it open goes on seeing the right one.
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
    let whole = store.paths.index_is_whole();
    Ok(store.disk.write(&whole, b"1\n", true)?)
}
