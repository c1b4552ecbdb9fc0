//! Files that any program drops into `queue/incoming` become tasks.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use omniq_core::storage::Enqueued;
use omniq_core::{NewTask, Result};

use crate::disk::{DirEntry, Kind, if_exists};
use crate::dropped_file;
use crate::errors::Failure;
use crate::escape::slug;
use crate::op::Op;
use crate::open_folder::OpenFolder;
use crate::wall_clock;

const INCOMING: &str = "queue/incoming";
/// Where they are while they are taken in: nobody else writes there.
const TAKING: &str = "queue/taking";

/// One that can't be read may still be being written, for so long.
const YOUNG: Duration = Duration::from_secs(2);

/// So many in one batch.
const AT_ONCE: usize = 500;

/// What was found at the last look.
#[derive(Default)]
pub(crate) struct Seen {
    /// When the folder was written last; none: look in any case.
    changed: Option<SystemTime>,
    /// Something may be left in `taking`.
    pub(crate) left: bool,
}

impl OpenFolder {
    /// Whether there is a file to take in.
    pub(crate) fn has_incoming(&mut self) -> io::Result<bool> {
        let found = self.store.disk.list(&self.store.paths.at(INCOMING))?;
        let any = found.iter().any(|found| !is_draft(&found.name));
        if any {
            self.incoming.changed = None;
        }
        Ok(any)
    }

    /// Takes in what was dropped. Says whether there was something.
    pub(crate) fn absorb(&mut self) -> Result<bool, Failure> {
        let folder = self.store.paths.at(INCOMING);
        let Some((changed, _)) = if_exists(self.store.disk.meta(&folder))? else {
            return Ok(false);
        };
        if self.incoming.changed == Some(changed) && !self.incoming.left {
            return Ok(false);
        }
        let mut later = false;
        let found = self.store.disk.list(&folder)?;
        for (count, found) in found
            .iter()
            .filter(|found| !is_draft(&found.name))
            .enumerate()
        {
            later |= count == AT_ONCE || !self.fetch(&folder, found)?;
            if count == AT_ONCE {
                break;
            }
        }
        self.incoming.changed = (!later).then_some(changed);
        self.incoming.left = true;
        let taken = self.take_in()?;
        self.incoming.left = false;
        Ok(taken)
    }

    /// Gives a file a name that is ours. Not if it may still be being written.
    fn fetch(&self, folder: &Path, found: &DirEntry) -> Result<bool, Failure> {
        let disk = &self.store.disk;
        let path = folder.join(&found.name);
        if found.kind == Kind::File && self.read(&path).is_err() {
            let Some((changed, _)) = if_exists(disk.meta(&path))? else {
                return Ok(true);
            };
            if wall_clock::age(changed) < YOUNG {
                return Ok(false);
            }
        }
        let name = slug(&found.name.to_string_lossy());
        let own = format!("{:016x}-{name}", fastrand::u64(..));
        let own = self.store.paths.at(TAKING).join(own);
        match if_exists(disk.rename(&path, &own)) {
            // A folder of somebody else's, say. It must not hold up the others.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                tracing::warn!(%error, "a file that was dropped in can't be taken: it is left alone");
                Ok(true)
            }
            taken => Ok(taken.map(|_| true)?),
        }
    }

    fn take_in(&mut self) -> Result<bool, Failure> {
        let folder = self.store.paths.at(TAKING);
        let found = if_exists(self.store.disk.list(&folder))?.unwrap_or_default();
        for found in &found {
            let Some(name) = found.text() else { continue };
            let file = format!("{TAKING}/{name}");
            match self.read(&folder.join(name)) {
                Ok(new) if found.kind == Kind::File => {
                    let now = wall_clock::now();
                    if let Enqueued::Existing(id) = self.store.enqueue(&new, now)? {
                        tracing::info!(file = name, task = %id, "that task was there already");
                    }
                    self.store.stage_file(Op::RemoveFile { file });
                }
                Ok(_) => self.refuse(file, name, "it is a link or a folder, and no plain file"),
                Err(reason) => self.refuse(file, name, &reason),
            }
        }
        Ok(!found.is_empty())
    }

    fn refuse(&mut self, file: String, name: &str, reason: &str) {
        tracing::warn!(
            file = name,
            reason,
            "it becomes no task, and goes to queue/quarantine"
        );
        let reason = format!("This file was dropped into {INCOMING}, and became no task: {reason}");
        let name = name.to_owned();
        self.store.stage_file(Op::Quarantine { file, name, reason });
    }

    /// The task that a file asks for, or why there is none.
    fn read(&self, path: &Path) -> Result<NewTask, String> {
        let disk = &self.store.disk;
        match disk.kind(path) {
            Ok(Some(Kind::File)) => {}
            Ok(_) => return Err("it is a link or a folder, and no plain file".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
        let longest = self.settings.max_payload as u64 + (64 << 10);
        let (_, len) = disk.meta(path).map_err(|e| e.to_string())?;
        if len > longest {
            return Err(format!("it has {len} bytes, and {longest} are allowed"));
        }
        let text = disk.read(path).map_err(|e| e.to_string())?;
        dropped_file::read(&text, &self.settings)
    }
}

/// A file that somebody is writing.
fn is_draft(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with('.') || name.ends_with(".tmp") || name.ends_with(".part")
}
