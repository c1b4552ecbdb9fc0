//! Whether a connection is to the storage's own database.

use std::path::PathBuf;

use omniq_core::{Error, ErrorKind, Result};
use omniq_writer::Failure as _;
use rusqlite::ErrorCode;

use crate::in_place::FileId;
use crate::trouble::{Failure, Place};

/// The database that the storage was opened with.
#[derive(Debug)]
pub(crate) struct Home {
    place: Place,
    identity: Option<String>,
}

/// What a connection says of its main database.
pub(super) struct Found {
    pub(super) file: Option<Vec<u8>>,
    pub(super) identity: String,
}

impl Home {
    pub(crate) fn new(place: Place, identity: Option<String>) -> Self {
        Self { place, identity }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// An error for a database in memory: it has one connection, and that is ours.
    pub(super) fn check_shared(&self) -> Result<()> {
        if matches!(self.place, Place::File(_)) {
            return Ok(());
        }
        Err(refused(
            "this storage keeps its tasks in memory, where no other connection can write: open it with a file \
             for a transaction of your own",
        ))
    }

    /// An error unless it is the same file, however the path was written. The identity alone would not tell
    /// a copy, which has the same one; the file alone would not do where the system does not number files.
    pub(super) fn check(&self, found: Result<Found, Failure>) -> Result<()> {
        let found = match found {
            Ok(found) => found,
            Err(Failure::Sql(error)) if error.sqlite_error_code() == Some(ErrorCode::Unknown) => {
                return Err(self.another("it has no tables of OmniQ"));
            }
            Err(other) => return Err(other.not_done(self.place.path())),
        };
        if Some(&found.identity) != self.identity.as_ref() {
            return Err(self.another("it is another database of OmniQ"));
        }
        let theirs = found.file.filter(|file| !file.is_empty()).map(path);
        let theirs = theirs.map(|path| FileId::of(&Place::File(path)));
        match theirs.transpose()? {
            Some(theirs) if theirs == FileId::of(&self.place)? => Ok(()),
            _ => Err(self.another("it is a copy of it")),
        }
    }

    fn another(&self, why: &str) -> Error {
        refused(&format!(
            "the transaction's main database is not the storage's {}: {why}. Begin the transaction on a \
             connection to that file",
            self.place.path().display()
        ))
    }
}

/// For a mistake in the program, which no second attempt mends.
pub(super) fn refused(text: &str) -> Error {
    Error::new(ErrorKind::Settings, text)
}

#[cfg(unix)]
fn path(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}
