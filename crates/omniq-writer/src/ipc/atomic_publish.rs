//! Publishes files atomically: a file is written and locked under a temporary name, and then gets its own name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::liveness::open_to_probe;

const TEMPORARY: &str = "tmp";

/// A locked file that has not been published yet.
pub(crate) struct Draft {
    pub(crate) file: File,
    name: TemporaryName,
}

/// A name that is removed when this is dropped. After a rename it no longer exists.
struct TemporaryName(PathBuf);

impl Drop for TemporaryName {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Draft {
    /// Creates and locks a file. `None` if [`remove_leftovers`] of another process took it for a leftover: try
    /// again.
    pub(crate) fn new(folder: &Folder) -> io::Result<Option<Self>> {
        let name = format!("{:016x}.{TEMPORARY}", fastrand::u64(..));
        let path = folder.owners().join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        folder.copy_permissions_to(&path);
        let name = TemporaryName(path);
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file, name })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Renames the file to `path` and replaces what had that name; it stays locked. `None`: as for
    /// [`Draft::new`].
    pub(crate) fn publish(self, path: &Path) -> io::Result<Option<File>> {
        let renamed = fs::rename(&self.name.0, path);
        self.published(renamed)
    }

    /// Gives the file the name `path` if no file has it; otherwise fails with [`io::ErrorKind::AlreadyExists`].
    pub(crate) fn publish_new(self, path: &Path) -> io::Result<Option<File>> {
        use io::ErrorKind::{AlreadyExists, NotFound};
        let named = match fs::hard_link(&self.name.0, path) {
            // A file system without links: the last rename wins, and every caller reads the file again.
            Err(e) if !matches!(e.kind(), AlreadyExists | NotFound) => {
                fs::rename(&self.name.0, path)
            }
            linked => linked,
        };
        self.published(named)
    }

    fn published(self, named: io::Result<()>) -> io::Result<Option<File>> {
        match named {
            Ok(()) => Ok(Some(self.file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Retries an attempt as long as other processes take its drafts for leftovers, which ends soon.
pub(crate) fn retry<T>(mut attempt: impl FnMut() -> io::Result<Option<T>>) -> io::Result<T> {
    for _ in 0..64 {
        if let Some(result) = attempt()? {
            return Ok(result);
        }
    }
    Err(io::Error::other(
        "its files are removed while they are being written",
    ))
}

/// Removes the drafts of processes that died before they published them: no process holds their locks.
pub(crate) fn remove_leftovers(folder: &Folder) {
    let Ok(entries) = fs::read_dir(folder.owners()) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_none_or(|ending| ending != TEMPORARY) {
            continue;
        }
        let file = open_to_probe(&path);
        if file.is_ok_and(|file| file.try_lock().is_ok() && fs::remove_file(&path).is_ok()) {
            tracing::debug!(path = %path.display(), "removed a leftover");
        }
    }
}
