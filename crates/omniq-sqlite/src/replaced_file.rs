//! Detects that the database file was removed or replaced while it was open. SQLite continues to write into
//! such a file, where nobody will find the data.

use std::fs::Metadata;
use std::path::Path;

use omniq_core::{Error, ErrorKind, Result};

use crate::location::Location;

/// Device and inode of the database file; nothing for a database in memory, and where the operating system
/// does not number files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(Option<(u64, u64)>);

impl FileId {
    /// Returns the id of the file that is at the location now. Fails if it is missing or has a second name.
    pub(crate) fn of(location: &Location) -> Result<Self> {
        let Location::File(path) = location else {
            return Ok(Self(None));
        };
        let meta = std::fs::metadata(path).map_err(|e| removed_or_replaced(path).with_source(e))?;
        if link_count(&meta) > 1 {
            let text = format!(
                "the database {} has another name as well (a hard link): a program that opens it by that name \
                 uses a second -wal, and what is written is lost. Remove one of the names",
                path.display()
            );
            return Err(Error::new(ErrorKind::Storage, text));
        }
        Ok(Self(device_and_inode(&meta)))
    }

    /// Fails if the file at the location is another one, or is missing.
    pub(crate) fn check(self, location: &Location) -> Result<()> {
        match location {
            Location::File(path) if Self::of(location)? != self => Err(removed_or_replaced(path)),
            _ => Ok(()),
        }
    }
}

fn removed_or_replaced(path: &Path) -> Error {
    let text = format!(
        "the database {} was removed or replaced while it was open: put it back; work then continues without \
         a restart",
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
fn link_count(meta: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    meta.nlink()
}

#[cfg(not(unix))]
fn device_and_inode(_: &Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(not(unix))]
fn link_count(_: &Metadata) -> u64 {
    1
}
