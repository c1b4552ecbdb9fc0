//! Whether a path still leads to the file that was opened there. SQLite writes on into a file that was
//! removed or replaced, where nobody will find it.

use std::fs::Metadata;
use std::path::Path;

use omniq_core::{Error, ErrorKind, Result};

use crate::trouble::Place;

/// What tells a file from all others, where the system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(Option<(u64, u64)>);

impl FileId {
    /// Of the file that is at the place now.
    pub(crate) fn of(place: &Place) -> Result<Self> {
        let Place::File(path) = place else {
            return Ok(Self(None));
        };
        let meta = std::fs::metadata(path).map_err(|e| gone(path).with_source(e))?;
        if links(&meta) > 1 {
            let text = format!(
                "the database {} has another name as well (a hard link): whoever opens it by that name keeps \
                 a second -wal, and what is written is lost. Remove one of the names",
                path.display()
            );
            return Err(Error::new(ErrorKind::Storage, text));
        }
        Ok(Self(identity(&meta)))
    }

    /// An error if there is another file, or none, at the place.
    pub(crate) fn check(self, place: &Place) -> Result<()> {
        match place {
            Place::File(path) if Self::of(place)? != self => Err(gone(path)),
            _ => Ok(()),
        }
    }
}

fn gone(path: &Path) -> Error {
    let text = format!(
        "the database {} was removed or replaced while it was open: put it back; work goes on by itself then",
        path.display()
    );
    Error::new(ErrorKind::Storage, text).retryable()
}

#[cfg(unix)]
fn identity(meta: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((meta.dev(), meta.ino()))
}

#[cfg(unix)]
fn links(meta: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    meta.nlink()
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}

#[cfg(not(unix))]
fn links(_: &Metadata) -> u64 {
    1
}
