//! What a look at another owner finds.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use omniq_core::OwnerId;

use super::folder::Folder;
use super::owner_file::OwnerFile;
use super::started::Started;
use super::{regular_file, stale_lock};

/// Whether an owner is there.
#[derive(Debug)]
#[non_exhaustive]
pub enum OwnerState {
    /// Its process lives, or another one is settling what it left.
    Alive,
    /// Its process is gone.
    Dead(DeadOwner),
    /// There is no saying: it has no file, a copy of one, or one that can't be looked at. Its leases decide.
    Unknown,
}

/// An owner whose process is gone. Until this is dropped, nobody else finds it gone, so that one process
/// at a time settles what it left.
#[derive(Debug)]
pub struct DeadOwner {
    lock: File,
    folder: Folder,
    owner: OwnerId,
    introduction: OwnerFile,
}

impl OwnerState {
    /// Looks once, without waiting. An owner of this very process is [`OwnerState::Alive`].
    pub fn of(folder: &Folder, owner: OwnerId) -> Self {
        let file = open_to_look(&folder.owner(owner));
        file.map_or(Self::Unknown, |file| Self::behind(file, folder, owner))
    }

    fn behind(lock: File, folder: &Folder, owner: OwnerId) -> Self {
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Self::Alive,
            Err(TryLockError::Error(_)) => return Self::Unknown,
        }
        // Somebody may have settled it between our opening and our lock.
        if stale_lock::is_over(&lock, &folder.owner(owner)) {
            return Self::Unknown;
        }
        let Some(introduction) = OwnerFile::read(&lock) else {
            return Self::Unknown;
        };
        Self::Dead(DeadOwner {
            lock,
            folder: folder.clone(),
            owner,
            introduction,
        })
    }
}

impl DeadOwner {
    /// Who it is.
    pub fn owner(&self) -> OwnerId {
        self.owner
    }

    /// What it had started. Where the system has no boot id (only Linux has), a reboot looks like any
    /// other death.
    pub fn started(&self) -> Started {
        if self.introduction.is_of_an_earlier_boot() {
            return Started::AfterReboot;
        }
        Started::by(&self.folder, self.owner)
    }

    /// Removes its files, once all that it left is settled. A crash half-way leaves it gone, to be settled
    /// again.
    pub fn forget(self) {
        if let Err(error) = remove(&self.folder, self.owner) {
            let path = self.folder.owner(self.owner);
            tracing::debug!(path = %path.display(), %error, "can't be removed");
            return;
        }
        stale_lock::mark(&self.lock);
    }
}

impl OwnerState {
    /// After its names were given to somebody else.
    pub(crate) fn replaced(self) {
        if let Self::Dead(gone) = self {
            stale_lock::mark(&gone.lock);
        }
    }
}

/// The notes first: a file that can be locked always has those that belong to it.
pub(crate) fn remove(folder: &Folder, owner: OwnerId) -> io::Result<()> {
    let missing_is_fine = |path: PathBuf| match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    };
    missing_is_fine(folder.started(owner))?;
    missing_is_fine(folder.owner(owner))
}

/// Opens a file for a look at its lock. On Linux not for writing: the end of that is what tells the others
/// that an owner may have left, and those who look would wake each other for ever.
pub(crate) fn open_to_look(path: &Path) -> io::Result<File> {
    let for_writing = !cfg!(target_os = "linux");
    regular_file::open(OpenOptions::new().read(true).write(for_writing), path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::owner_file;

    #[test]
    fn who_opened_the_file_before_it_was_forgotten_does_not_settle_again() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("jobs.db");
        File::create(&data).unwrap();
        let folder = Folder::open(&data, "id").unwrap();
        let owner = OwnerId::from_i64(7).unwrap();
        let file = File::create(folder.owner(owner)).unwrap();
        fs::write(folder.owner(owner), owner_file::of(&file).unwrap()).unwrap();
        drop(file);
        let open = || open_to_look(&folder.owner(owner)).unwrap();
        let (early, late) = (open(), open());

        let OwnerState::Dead(gone) = OwnerState::of(&folder, owner) else {
            panic!("nobody holds it");
        };
        assert!(matches!(
            OwnerState::behind(early, &folder, owner),
            OwnerState::Alive
        ));
        gone.forget();
        assert!(matches!(
            OwnerState::behind(late, &folder, owner),
            OwnerState::Unknown
        ));
    }
}
