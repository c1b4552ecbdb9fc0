//! Checks whether an owner's process is alive: whether another process can lock the owner's file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use omniq_core::OwnerId;

use super::folder::Folder;
use super::owner_file::OwnerFile;
use super::started::Started;
use super::{regular_file, stale_lock};

/// Whether an owner's process is alive.
#[derive(Debug)]
#[non_exhaustive]
pub enum OwnerState {
    /// The owner's file is locked: by its process, which is alive, or by another process that examines a dead owner.
    Alive,
    /// Its process is dead.
    Dead(DeadOwner),
    /// The owner's file is missing, copied or unreadable. Its leases decide.
    Unknown,
}

/// An owner whose process is dead. While this exists, it holds the lock of the owner's file, so that no other process
/// examines the same owner.
#[derive(Debug)]
pub struct DeadOwner {
    lock: File,
    folder: Folder,
    owner: OwnerId,
    file: OwnerFile,
}

impl OwnerState {
    /// Checks once, without waiting. An owner of this process is [`OwnerState::Alive`].
    pub fn of(folder: &Folder, owner: OwnerId) -> Self {
        match open_to_probe(&folder.owner(owner)) {
            Ok(file) => Self::of_opened(file, folder, owner),
            Err(_) => Self::Unknown,
        }
    }

    fn of_opened(lock: File, folder: &Folder, owner: OwnerId) -> Self {
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Self::Alive,
            Err(TryLockError::Error(_)) => return Self::Unknown,
        }
        // Another process may have settled it after we opened the file and before we locked it.
        if stale_lock::is_stale(&lock, &folder.owner(owner)) {
            return Self::Unknown;
        }
        let Some(file) = OwnerFile::read(&lock) else {
            return Self::Unknown;
        };
        Self::Dead(DeadOwner {
            lock,
            folder: folder.clone(),
            owner,
            file,
        })
    }
}

impl DeadOwner {
    /// Returns which handlers it had started. Where there is no boot id (only Linux has one), a reboot looks
    /// like any other death.
    pub fn started(&self) -> Started {
        if self.file.is_of_an_earlier_boot() {
            return Started::AfterReboot;
        }
        Started::by(&self.folder, self.owner)
    }

    /// Removes its files; call it once all tasks that it left are settled. After a crash during this call the
    /// owner is found dead and settled again.
    pub fn forget(self) {
        if let Err(error) = remove_files(&self.folder, self.owner) {
            let path = self.folder.owner(self.owner);
            tracing::debug!(path = %path.display(), %error, "the files of a dead owner can't be removed");
            return;
        }
        stale_lock::mark(&self.lock);
    }
}

impl OwnerState {
    /// Marks a dead owner's file as stale, after a new file was published under its name.
    pub(crate) fn mark_replaced(self) {
        if let Self::Dead(dead) = self {
            stale_lock::mark(&dead.lock);
        }
    }
}

/// Removes an owner's files. The record of what it started goes first, so that no record is left without
/// its owner's file.
pub(crate) fn remove_files(folder: &Folder, owner: OwnerId) -> io::Result<()> {
    let remove = |path: PathBuf| match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    };
    remove(folder.started(owner))?;
    remove(folder.owner(owner))
}

/// Opens a file to check whether it is locked. On Linux it is opened read-only: closing a writable handle emits
/// CLOSE_WRITE, which other processes read as an owner's exit, so that processes that check would wake each
/// other for ever.
pub(crate) fn open_to_probe(path: &Path) -> io::Result<File> {
    let for_writing = !cfg!(target_os = "linux");
    regular_file::open(OpenOptions::new().read(true).write(for_writing), path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::owner_file;

    #[test]
    fn a_file_that_was_opened_before_it_was_removed_is_not_settled_again() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("jobs.db");
        File::create(&data).unwrap();
        let folder = Folder::open(&data, "id").unwrap();
        let owner = OwnerId::from_i64(7).unwrap();
        let file = File::create(folder.owner(owner)).unwrap();
        fs::write(folder.owner(owner), owner_file::content_for(&file).unwrap()).unwrap();
        drop(file);
        let open = || open_to_probe(&folder.owner(owner)).unwrap();
        let (early, late) = (open(), open());

        let OwnerState::Dead(dead) = OwnerState::of(&folder, owner) else {
            panic!("no process holds it");
        };
        assert!(matches!(
            OwnerState::of_opened(early, &folder, owner),
            OwnerState::Alive
        ));
        dead.forget();
        assert!(matches!(
            OwnerState::of_opened(late, &folder, owner),
            OwnerState::Unknown
        ));
    }
}
