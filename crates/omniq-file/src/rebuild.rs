//! Builds the index from the files themselves: after damage, and where the log may not tell all.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use omniq_core::storage::Row;
use omniq_core::{TaskId, TaskStatus};

use crate::body;
use crate::disk::{Found, Kind, if_there};
use crate::encode::slug;
use crate::entry::{Entry, SIZE};
use crate::index::{self, PER_SEGMENT};
use crate::name::{ENDING, Name};
use crate::op::Op;
use crate::place::{ChunkName, Shelf, Spot};
use crate::shelf::Chunks;
use crate::store::Store;
use crate::trouble::Failure;

/// What was found.
#[derive(Default)]
pub(crate) struct Findings {
    /// The largest number that anything has.
    pub(crate) largest: i64,
    entries: HashMap<TaskId, (Entry, PathBuf)>,
    /// Tasks that are not where they belong.
    astray: HashMap<TaskId, (Row, PathBuf)>,
    /// What is no task, with the reason.
    broken: Vec<(PathBuf, String)>,
}

/// Whether the index was ever built to its end.
pub(crate) fn is_whole(store: &Store) -> io::Result<bool> {
    Ok(store.disk.kind(&store.paths.index_is_whole())?.is_some())
}

/// Reads every file, and writes the index. What is left to do is in the store's batch; the largest number that
/// was given out comes back.
pub(crate) fn rebuild(store: &mut Store) -> Result<i64, Failure> {
    let mut findings = Findings::default();
    let lanes = store.lanes.numbers();
    for lane in lanes {
        let ready = store.paths.priorities(lane);
        for found in if_there(store.disk.list(&ready))?.unwrap_or_default() {
            let priority = found
                .text()
                .and_then(|text| text.strip_prefix('p')?.parse().ok());
            if let Some(priority) = priority {
                findings.shelf(store, Shelf::Ready { lane, priority })?;
            }
        }
        findings.shelf(store, Shelf::Waiting { lane })?;
        findings.shelf(store, Shelf::Held { lane })?;
    }
    for folder in store.lanes.unreadable.clone() {
        let folder = store.paths.lanes().join(folder);
        findings.lost(store, &folder)?;
    }
    for status in [
        TaskStatus::Success,
        TaskStatus::Failed,
        TaskStatus::Cancelled,
    ] {
        findings.shelf(store, Shelf::Finished(status))?;
    }
    let [running, stopping] = store.paths.held();
    findings.folder(store, &running, |_| Some(Spot::Running))?;
    findings.folder(store, &stopping, |_| Some(Spot::Stopping))?;
    write_index(store, &findings)?;
    store.high_water = store.high_water.max(findings.largest);
    store.forget_all()?;
    findings.mend(store)
}

impl Findings {
    fn shelf(&mut self, store: &Store, shelf: Shelf) -> Result<(), Failure> {
        let folder = store.paths.shelf(shelf);
        let chunks = Chunks::list(&*store.disk, &folder)?;
        for found in if_there(store.disk.list(&folder))?.unwrap_or_default() {
            let Some(chunk) = found.text().and_then(ChunkName::parse) else {
                continue;
            };
            self.largest = self.largest.max(chunk.number.as_i64());
            // In another chunk nobody would look for it.
            let fits = |name: &Name| chunks.chunk_of(*name) == Some(chunk);
            let spot = |name: &str| Some(Spot::On(shelf, Name::of_file(name).filter(fits)?));
            self.folder(store, &store.paths.chunk(shelf, chunk), spot)?;
        }
        Ok(())
    }

    /// Below a folder that nobody would look into.
    fn lost(&mut self, store: &Store, folder: &Path) -> Result<(), Failure> {
        for found in store.disk.list(folder)? {
            let path = folder.join(&found.name);
            match found.kind {
                Kind::Folder => self.lost(store, &path)?,
                _ if found.name == "lane.json" => {}
                _ => self.file(store, &found, path, None)?,
            }
        }
        Ok(())
    }

    fn folder(
        &mut self,
        store: &Store,
        folder: &Path,
        spot: impl Fn(&str) -> Option<Spot>,
    ) -> Result<(), Failure> {
        for found in if_there(store.disk.list(folder))?.unwrap_or_default() {
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
        found: &Found,
        path: PathBuf,
        spot: Option<Spot>,
    ) -> Result<(), Failure> {
        if found.kind != Kind::File {
            self.broken.push((path, "It is no plain file".to_owned()));
            return Ok(());
        }
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
            Some(Spot::On(Shelf::Ready { .. }, _)) => row.due = true,
            Some(Spot::On(Shelf::Waiting { .. }, _)) => row.due = false,
            _ => {}
        }
        let task = &row.task;
        let lane = crate::lanes::Lane {
            queue: task.queue.clone(),
            name: task.name.clone(),
            format: task.payload.format,
        };
        let entry = Entry::of(&row, store.lanes.number(&lane).unwrap_or_default());
        let in_place = spot == Some(entry.spot(id)) && entry.lane != 0;
        self.keep(row, entry, path, in_place);
        Ok(())
    }

    /// Of two files of one task, the one that came further counts.
    fn keep(&mut self, row: Row, entry: Entry, path: PathBuf, in_place: bool) {
        let id = row.task.id;
        let progress = |entry: &Entry| {
            (
                entry.lease,
                entry.status != TaskStatus::Pending,
                entry.status.is_finished(),
            )
        };
        let known = self.entries.get(&id).map(|(known, _)| progress(known));
        let astray = self
            .astray
            .get(&id)
            .map(|(row, _)| progress(&Entry::of(row, 0)));
        let older = "There is another file of this task, which is newer";
        if known.max(astray) > Some(progress(&entry)) {
            self.broken.push((path, older.to_owned()));
            return;
        }
        let outdated = self.entries.remove(&id).map(|(_, path)| path);
        let outdated = outdated
            .into_iter()
            .chain(self.astray.remove(&id).map(|(_, path)| path));
        self.broken
            .extend(outdated.map(|path| (path, older.to_owned())));
        match in_place {
            true => drop(self.entries.insert(id, (entry, path))),
            false => drop(self.astray.insert(id, (row, path))),
        }
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
            store.stage_file(Op::SetAside { file, name, reason });
        }
        // All are taken away before the first is put back: making room moves what stands in a folder.
        for (_, path) in self.astray.values() {
            tracing::warn!(path = %path.display(), "a task is brought to where it belongs");
            store.stage_file(Op::Taken { file: file(path) });
        }
        for (row, _) in self.astray.into_values() {
            store.put(row)?;
        }
        Ok(store.high_water)
    }
}

/// In place, so that who has a file of it open goes on seeing the right one.
fn write_index(store: &mut Store, findings: &Findings) -> Result<(), Failure> {
    let mut segments: HashMap<u64, Vec<u8>> = HashMap::new();
    let empty = || vec![0; PER_SEGMENT as usize * SIZE];
    for number in index::segments(&*store.disk, &store.paths)? {
        segments.insert(number, empty());
    }
    for (id, (entry, _)) in &findings.entries {
        let bytes = segments.entry(index::segment_of(*id)).or_insert_with(empty);
        let at = index::offset(*id);
        bytes[at..at + SIZE].copy_from_slice(&entry.to_bytes());
    }
    for (number, bytes) in segments {
        store
            .disk
            .write(&store.paths.segment(number), &bytes, true)?;
    }
    let whole = store.paths.index_is_whole();
    Ok(store.disk.write(&whole, b"1\n", true)?)
}
