//! Files that are written under a passing name, and then published under their own.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::folder::Folder;
use super::liveness::open_to_look;

const ENDING: &str = "tmp";

/// A locked file that nobody looks at yet.
pub(crate) struct Draft {
    pub(crate) file: File,
    name: Passing,
}

/// A name that goes away; after a rename it is gone already.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Draft {
    /// `None` if [`clear`] of another process took it for a leftover: try again.
    pub(crate) fn new(folder: &Folder) -> io::Result<Option<Self>> {
        let name = format!("{:016x}.{ENDING}", fastrand::u64(..));
        let path = folder.owners().join(name);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        folder.share(&path);
        let name = Passing(path);
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file, name })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Gives it its name, in place of whatever had it; it stays locked. `None`: as for [`Draft::new`].
    pub(crate) fn publish(self, path: &Path) -> io::Result<Option<File>> {
        let given = fs::rename(&self.name.0, path);
        self.published(given)
    }

    /// Gives it its name if nobody has it, and else fails with [`io::ErrorKind::AlreadyExists`].
    pub(crate) fn publish_new(self, path: &Path) -> io::Result<Option<File>> {
        use io::ErrorKind::{AlreadyExists, NotFound};
        let given = match fs::hard_link(&self.name.0, path) {
            // A file system without links: the last one wins, and everybody looks again.
            Err(e) if !matches!(e.kind(), AlreadyExists | NotFound) => {
                fs::rename(&self.name.0, path)
            }
            given => given,
        };
        self.published(given)
    }

    fn published(self, given: io::Result<()>) -> io::Result<Option<File>> {
        match given {
            Ok(()) => Ok(Some(self.file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Tries again for as long as other processes take drafts for leftovers, which ends soon.
pub(crate) fn retry<T>(mut attempt: impl FnMut() -> io::Result<Option<T>>) -> io::Result<T> {
    for _ in 0..64 {
        if let Some(done) = attempt()? {
            return Ok(done);
        }
    }
    Err(io::Error::other(
        "the files in it vanish while they are made",
    ))
}

/// Removes what processes left that died between making a file and publishing it: nobody holds its lock.
pub(crate) fn clear(folder: &Folder) {
    let Ok(entries) = fs::read_dir(folder.owners()) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_none_or(|ending| ending != ENDING) {
            continue;
        }
        let file = open_to_look(&path);
        if file.is_ok_and(|file| file.try_lock().is_ok() && fs::remove_file(&path).is_ok()) {
            tracing::debug!(path = %path.display(), "removed a leftover");
        }
    }
}
