//! Shows that an owner is alive: a file that its process keeps locked for as long as it lives.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};

use omniq_core::storage::Lease;
use omniq_core::{Error, ErrorKind, OwnerId, Result};

use super::atomic_publish::{self, Draft, retry};
use super::folder::Folder;
use super::liveness::{OwnerState, remove_files};
use super::log_once::LogOnce;
use super::started::{SLOT, slot_of};
use super::write_at::write_at;
use super::{owner_file, regular_file, stale_lock};
use crate::errors::storage_error;
use crate::mutex::lock;

/// Shows, until it is dropped, that an owner of leases is alive. The clones of a storage share one.
#[derive(Debug, Clone)]
pub struct Presence {
    held: Arc<Held>,
}

type Key = (PathBuf, OwnerId);

/// The files that this process holds. A second lock on the same file would be refused even to this process.
static ENTERED: Mutex<Option<HashMap<Key, Weak<Held>>>> = Mutex::new(None);

#[derive(Debug)]
struct Held {
    folder: Folder,
    owner: OwnerId,
    /// The process that entered: a forked child has these files open as well, but they are not its own.
    process: u32,
    lock: File,
    started: File,
    recording: LogOnce,
}

impl Presence {
    /// Shows that `owner` is alive. A second call for the same owner in this process shares the first's files.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`] if the files can't be written or locked, or another process holds this
    /// owner id. Leases alone decide then.
    pub fn enter(folder: &Folder, owner: OwnerId) -> Result<Self> {
        let mut entered = lock(&ENTERED);
        let entered = entered.get_or_insert_default();
        let key = (folder.path().to_owned(), owner);
        let known = entered.get(&key).and_then(Weak::upgrade);
        if let Some(held) = known.filter(|held| held.is_ours()) {
            return Ok(Self { held });
        }
        // The last handle was dropped, and its `Drop` waits for `ENTERED`, which is locked here, to remove the files:
        // they are still locked by this process.
        let leaving = entered.get(&key).is_some_and(|w| w.strong_count() == 0);
        atomic_publish::remove_leftovers(folder);
        let held = Arc::new(Held::enter(folder, owner, leaving)?);
        entered.insert(key, Arc::downgrade(&held));
        Ok(Self { held })
    }

    /// Lists the owners that have a file in the folder, alive or dead.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`] if the folder can't be read.
    pub fn owners(folder: &Folder) -> Result<Vec<OwnerId>> {
        let unreadable =
            |e| storage_error(format!("{} can't be read", folder.owners().display()), e);
        let entries = fs::read_dir(folder.owners()).map_err(unreadable)?;
        let owner = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        Ok(entries.flatten().filter_map(owner).collect())
    }

    /// Records that the handler of this lease starts; call it before the handler. A slot holds one lease, the
    /// last: each seat uses its own slot. This is one write without a flush.
    pub fn record_started(&self, slot: usize, lease: Lease) {
        let held = &*self.held;
        if !held.is_ours() {
            return;
        }
        let offset = slot as u64 * SLOT as u64;
        let written = write_at(&held.started, &slot_of(lease), offset);
        held.recording.log(
            "recording which tasks are started",
            held.folder.path(),
            written,
        );
    }
}

impl Held {
    fn enter(folder: &Folder, owner: OwnerId, leaving: bool) -> Result<Self> {
        // A dead predecessor stays locked until it is replaced, so that no process settles it meanwhile.
        let earlier = OwnerState::of(folder, owner);
        if !leaving && matches!(earlier, OwnerState::Alive) {
            return Err(held_elsewhere(folder, owner));
        }
        let path = folder.owner(owner);
        let unusable = |e| storage_error(format!("{} can't be used", path.display()), e);
        // Emptied before the lock is published: a process that finds the lock must not read what an earlier
        // holder had started.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let started = regular_file::open(&mut options, &folder.started(owner)).map_err(unusable)?;
        folder.copy_permissions_to(&folder.started(owner));
        let publish = || -> io::Result<Option<File>> {
            let Some(mut draft) = Draft::new(folder)? else {
                return Ok(None);
            };
            let content = owner_file::content_for(&draft.file)?;
            draft.file.write_all(content.as_bytes())?;
            draft.publish(&path)
        };
        let lock = retry(publish).map_err(unusable)?;
        earlier.mark_replaced();
        Ok(Self {
            folder: folder.clone(),
            owner,
            process: std::process::id(),
            lock,
            started,
            recording: LogOnce::default(),
        })
    }

    /// False in a process that was forked from the one that entered.
    fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.is_ours() {
            return;
        }
        let mut entered = lock(&ENTERED);
        let key = (self.folder.path().to_owned(), self.owner);
        let entered = entered.get_or_insert_default();
        // The same owner may have entered again since the last handle was dropped: then the files are the new entry's.
        let is_this = |known: &Weak<Self>| std::ptr::eq(known.as_ptr(), self);
        if entered.get(&key).is_some_and(is_this) {
            entered.remove(&key);
            let _ = remove_files(&self.folder, self.owner);
        }
        stale_lock::mark(&self.lock);
    }
}

fn held_elsewhere(folder: &Folder, owner: OwnerId) -> Error {
    let path = folder.owner(owner);
    let text = format!(
        "another process holds the owner id {owner}: {} is locked",
        path.display()
    );
    Error::new(ErrorKind::Storage, text)
}
