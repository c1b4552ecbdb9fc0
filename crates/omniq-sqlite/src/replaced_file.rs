//! Detects that a file of the database was removed or replaced while it was open. SQLite continues to write into
//! such a file, where nobody will find the data.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

use omniq_core::{Error, ErrorKind, Result};

use crate::location::Location;

/// Identifies a file; empty for a database in memory, and where the operating system does not number files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device_and_inode: Option<(u64, u64)>,
    /// A new file may get the number of a file that was deleted.
    created: Option<SystemTime>,
}

/// Identifies a state of a file's content: every write into the file changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FileVersion {
    changed: (i64, i64),
    length: u64,
}

impl FileId {
    const NONE: Self = Self {
        device_and_inode: None,
        created: None,
    };

    /// Returns the id of the file that is at the location now. Fails if it is missing or has a second name.
    pub(crate) fn of(location: &Location) -> Result<Self> {
        Ok(Self::with_version(location)?.0)
    }

    fn with_version(location: &Location) -> Result<(Self, FileVersion)> {
        let Some(path) = location.file() else {
            return Ok((Self::NONE, FileVersion::default()));
        };
        let meta = std::fs::metadata(path).map_err(|e| removed_or_replaced(path).with_source(e))?;
        if link_count(&meta) > 1 {
            return Err(second_name(path));
        }
        Ok((Self::of_file(&meta), version(&meta)))
    }

    /// Returns the id of the file that has this metadata.
    pub(crate) fn of_file(meta: &Metadata) -> Self {
        match device_and_inode(meta) {
            None => Self::NONE,
            known => Self {
                device_and_inode: known,
                created: meta.created().ok(),
            },
        }
    }

    /// Fails if the file at the location is another one, or is missing. Returns the version of its content.
    pub(crate) fn check(self, location: &Location) -> Result<FileVersion> {
        let (found, version) = Self::with_version(location)?;
        if found == self {
            return Ok(version);
        }
        Err(removed_or_replaced(location.path()))
    }
}

fn second_name(path: &Path) -> Error {
    let text = format!(
        "the database {} has another name as well (a hard link): a program that opens it by that name \
         uses a second -wal, and what is written is lost. Remove one of the names",
        path.display()
    );
    Error::new(ErrorKind::Storage, text)
}

/// Returns the error for a file that is no longer the one that was opened.
pub(crate) fn removed_or_replaced(path: &Path) -> Error {
    let text = format!(
        "the database {} was removed or replaced while it was open: put the same file back, and work continues \
         without a restart; or, to use another copy, stop every program that has it open, remove the files -wal \
         and -shm beside the copy, and start again",
        path.display()
    );
    Error::new(ErrorKind::Storage, text).retryable()
}

#[cfg(unix)]
fn device_and_inode(meta: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((meta.dev(), meta.ino()))
}

#[cfg(unix)]
fn version(meta: &Metadata) -> FileVersion {
    use std::os::unix::fs::MetadataExt as _;
    // The time of the last change, because a copy can set the time of the last write back.
    FileVersion {
        changed: (meta.ctime(), meta.ctime_nsec()),
        length: meta.len(),
    }
}

#[cfg(unix)]
pub(crate) fn link_count(meta: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    meta.nlink()
}

#[cfg(not(unix))]
fn device_and_inode(_: &Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(not(unix))]
fn version(meta: &Metadata) -> FileVersion {
    let written = meta.modified().ok();
    let since = written.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let since = since.unwrap_or_default();
    FileVersion {
        changed: (
            since.as_secs().cast_signed(),
            i64::from(since.subsec_nanos()),
        ),
        length: meta.len(),
    }
}

#[cfg(not(unix))]
pub(crate) fn link_count(_: &Metadata) -> u64 {
    1
}
