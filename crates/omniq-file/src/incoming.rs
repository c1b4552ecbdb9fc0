//! Turns the files that any program drops into `queue/incoming` into tasks.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use omniq_core::storage::Enqueued;
use omniq_core::{CoreSettings, NewTask, Result};

use crate::disk::{DirEntry, Kind, if_exists};
use crate::dropped_file;
use crate::errors::{Failure, chain};
use crate::escape::slug;
use crate::op::Op;
use crate::store::Store;
use crate::wall_clock;

const INCOMING: &str = "queue/incoming";
/// Where files are while they are taken in: no other program writes there.
const TAKING: &str = "queue/taking";

/// An invalid file that was modified less than this long ago may still be being written.
const YOUNG: Duration = Duration::from_secs(2);

/// The largest number of files that one batch takes in.
const MAX_PER_BATCH: usize = 500;

const NOT_A_FILE: &str = "it is a link or a folder, not a regular file";

/// What is known of `queue/incoming` since it was last listed.
pub(crate) struct Incoming {
    settings: CoreSettings,
    /// When the folder was last modified; `None` if it must be listed again in any case.
    modified_at: Option<SystemTime>,
    /// Whether `queue/taking` may hold files.
    has_leftovers: bool,
}

impl Incoming {
    pub(crate) fn new(settings: CoreSettings) -> Self {
        Self {
            settings,
            modified_at: None,
            has_leftovers: false,
        }
    }

    /// Whether there is a file to take in.
    pub(crate) fn has_files(&mut self, store: &Store) -> io::Result<bool> {
        let found = store.disk.list(&store.paths.at(INCOMING))?;
        let any = found.iter().any(|found| !is_draft(&found.name));
        if any {
            self.modified_at = None;
        }
        Ok(any)
    }

    /// Makes the next batch list `queue/taking`: the batch that took files in was rolled back.
    pub(crate) fn expect_leftovers(&mut self) {
        self.has_leftovers = true;
    }

    /// Turns dropped files into tasks of the current batch. Returns whether there were any.
    pub(crate) fn absorb(&mut self, store: &mut Store) -> Result<bool, Failure> {
        let folder = store.paths.at(INCOMING);
        let Some((modified_at, _)) = if_exists(store.disk.meta(&folder))? else {
            return Ok(false);
        };
        if self.modified_at == Some(modified_at) && !self.has_leftovers {
            return Ok(false);
        }
        let mut some_later = false;
        let found = store.disk.list(&folder)?;
        for (count, found) in found
            .iter()
            .filter(|found| !is_draft(&found.name))
            .enumerate()
        {
            if count == MAX_PER_BATCH {
                some_later = true;
                break;
            }
            some_later |= !self.fetch(store, &folder, found)?;
        }
        self.modified_at = (!some_later).then_some(modified_at);
        self.has_leftovers = true;
        let taken = self.take_in(store)?;
        self.has_leftovers = false;
        Ok(taken)
    }

    /// Moves a file into `queue/taking`. Returns false, and leaves the file, if it may still be being written.
    fn fetch(&self, store: &Store, folder: &Path, found: &DirEntry) -> Result<bool, Failure> {
        let disk = &store.disk;
        let path = folder.join(&found.name);
        if found.kind == Kind::File && self.read(store, &path).is_err() {
            let Some((modified_at, _)) = if_exists(disk.meta(&path))? else {
                return Ok(true);
            };
            if wall_clock::age(modified_at) < YOUNG {
                return Ok(false);
            }
        }
        let name = slug(&found.name.to_string_lossy());
        let own = format!("{:016x}-{name}", fastrand::u64(..));
        let own = store.paths.at(TAKING).join(own);
        match if_exists(disk.rename(&path, &own)) {
            // A folder of another user, for example. It must not delay the other files.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                tracing::warn!(error = %chain(&error), "a dropped file can't be moved: it is ignored");
                Ok(true)
            }
            moved => Ok(moved.map(|_| true)?),
        }
    }

    fn take_in(&self, store: &mut Store) -> Result<bool, Failure> {
        let folder = store.paths.at(TAKING);
        let found = if_exists(store.disk.list(&folder))?.unwrap_or_default();
        for found in &found {
            let Some(name) = found.text() else { continue };
            let file = format!("{TAKING}/{name}");
            match self.read(store, &folder.join(name)) {
                Ok(new) if found.kind == Kind::File => {
                    let now = wall_clock::now();
                    if let Enqueued::Existing(id) = store.enqueue(&new, now)? {
                        tracing::info!(
                            file = name,
                            task = %id,
                            "a dropped file is ignored: another task holds its unique key"
                        );
                    }
                    store.stage(Op::RemoveFile { file });
                }
                Ok(_) => refuse(store, file, name, NOT_A_FILE),
                Err(reason) => refuse(store, file, name, &reason),
            }
        }
        Ok(!found.is_empty())
    }

    /// Reads the task that a file describes; the error is the reason why it describes none.
    fn read(&self, store: &Store, path: &Path) -> Result<NewTask, String> {
        let disk = &store.disk;
        let text = |error: io::Error| chain(&error).to_string();
        if disk.kind(path).map_err(text)? != Some(Kind::File) {
            return Err(NOT_A_FILE.to_owned());
        }
        let longest = self.settings.max_payload as u64 + (64 << 10);
        let (_, len) = disk.meta(path).map_err(text)?;
        if len > longest {
            return Err(format!("it has {len} bytes, and {longest} are allowed"));
        }
        dropped_file::read(&disk.read(path).map_err(text)?, &self.settings)
    }
}

fn refuse(store: &mut Store, file: String, name: &str, reason: &str) {
    tracing::warn!(
        file = name,
        reason,
        "a dropped file is not a task: it is moved to queue/quarantine"
    );
    let reason = format!("This file was dropped into {INCOMING}, and is not a task: {reason}");
    let name = name.to_owned();
    store.stage(Op::Quarantine { file, name, reason });
}

/// Whether another program is still writing the file, by its name.
fn is_draft(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') || name.ends_with(".tmp") || name.ends_with(".part")
}
