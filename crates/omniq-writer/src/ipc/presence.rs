//! A process's own file, locked for as long as it lives.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};

use omniq_core::storage::Lease;
use omniq_core::{Error, ErrorKind, OwnerId, Result};

use super::atomic_publish::{self, Draft, retry};
use super::folder::Folder;
use super::liveness::{OwnerState, remove};
use super::log_once::LogOnce;
use super::started::{SLOT, write};
use super::write_at::write_at;
use super::{lock, owner_file, regular_file, stale_lock, storage_error};

/// Says for as long as it is kept that an owner of leases is there. The clones of a storage share one.
#[derive(Debug, Clone)]
pub struct Presence {
    held: Arc<Held>,
}

type Key = (PathBuf, OwnerId);

/// What this process holds. A second lock on the same file would be refused even to itself.
static ENTERED: Mutex<Option<HashMap<Key, Weak<Held>>>> = Mutex::new(None);

#[derive(Debug)]
struct Held {
    folder: Folder,
    owner: OwnerId,
    /// A forked child has these files open as well, but they are not its own.
    process: u32,
    lock: File,
    notes: File,
    noting: LogOnce,
}

impl Presence {
    /// Says that `owner` is there. A second call for the same owner in this process shares the first's.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`] if the files can't be written or locked, or another process holds
    /// this owner. Leases alone decide then.
    pub fn enter(folder: &Folder, owner: OwnerId) -> Result<Self> {
        let mut entered = lock(&ENTERED);
        let entered = entered.get_or_insert_default();
        let key = (folder.path().to_owned(), owner);
        let known = entered.get(&key).and_then(Weak::upgrade);
        if let Some(held) = known.filter(|held| held.is_ours()) {
            return Ok(Self { held });
        }
        // Its last handle went, and waits for us to take the files away: the lock there is our own.
        let leaving = entered.get(&key).is_some_and(|w| w.strong_count() == 0);
        atomic_publish::clear(folder);
        let held = Arc::new(Held::enter(folder, owner, leaving)?);
        entered.insert(key, Arc::downgrade(&held));
        Ok(Self { held })
    }

    /// The owner.
    pub fn owner(&self) -> OwnerId {
        self.held.owner
    }

    /// The owners that have a file in the folder, here or gone, for a sweep to look at.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`] if the folder can't be read.
    pub fn owners(folder: &Folder) -> Result<Vec<OwnerId>> {
        let unread = |e| storage_error(format!("{} can't be read", folder.owners().display()), e);
        let entries = fs::read_dir(folder.owners()).map_err(unread)?;
        let owner = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        Ok(entries.flatten().filter_map(owner).collect())
    }

    /// Notes, before its handler is called, that the task of this lease is started. A slot holds one
    /// lease, the last: each seat uses its own. One plain write; nobody waits for a disk.
    pub fn note_started(&self, slot: usize, lease: Lease) {
        let held = &*self.held;
        if !held.is_ours() {
            return;
        }
        let offset = slot as u64 * SLOT as u64;
        let written = write_at(&held.notes, &write(lease), offset);
        held.noting.about(
            "noting which tasks are started",
            held.folder.path(),
            written,
        );
    }
}

impl Held {
    fn enter(folder: &Folder, owner: OwnerId, leaving: bool) -> Result<Self> {
        // Kept locked until its place is taken, so that nobody settles it meanwhile.
        let earlier = OwnerState::of(folder, owner);
        if !leaving && matches!(earlier, OwnerState::Alive) {
            return Err(taken(folder, owner));
        }
        let path = folder.owner(owner);
        let unusable = |e| storage_error(format!("{} can't be used", path.display()), e);
        // Before the lock is published: whoever finds it must not read an earlier holder's notes.
        let mut making = OpenOptions::new();
        making.write(true).create(true).truncate(true);
        let notes = regular_file::open(&mut making, &folder.started(owner)).map_err(unusable)?;
        folder.share(&folder.started(owner));
        let publish = || -> io::Result<Option<File>> {
            let Some(mut draft) = Draft::new(folder)? else {
                return Ok(None);
            };
            let introduction = owner_file::of(&draft.file)?;
            draft.file.write_all(introduction.as_bytes())?;
            draft.publish(&path)
        };
        let lock = retry(publish).map_err(unusable)?;
        earlier.replaced();
        Ok(Self {
            folder: folder.clone(),
            owner,
            process: std::process::id(),
            lock,
            notes,
            noting: LogOnce::default(),
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
        // The same owner may have entered again since the last handle went: then the names are its own.
        let mine = |known: &Weak<Self>| std::ptr::eq(known.as_ptr(), self);
        if entered.get(&key).is_some_and(mine) {
            entered.remove(&key);
            let _ = remove(&self.folder, self.owner);
        }
        stale_lock::mark(&self.lock);
    }
}

fn taken(folder: &Folder, owner: OwnerId) -> Error {
    let path = folder.owner(owner);
    let text = format!(
        "another process holds the owner id {owner}: {} is locked",
        path.display()
    );
    Error::new(ErrorKind::Storage, text)
}
