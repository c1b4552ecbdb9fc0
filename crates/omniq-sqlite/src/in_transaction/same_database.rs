//! Checks that a transaction's connection is to the storage's own database.

use std::path::PathBuf;

use omniq_core::{Error, ErrorKind, Result};
use omniq_writer::Failure as _;
use rusqlite::ErrorCode;

use crate::errors::Failure;
use crate::location::Location;
use crate::replaced_file::FileId;

/// The database that the storage was opened with.
#[derive(Debug)]
pub(crate) struct OwnDatabase {
    location: Location,
    identity: Option<String>,
}

/// The file and the identity of a connection's main database.
pub(super) struct FoundDatabase {
    pub(super) file: Option<Vec<u8>>,
    pub(super) identity: String,
}

impl OwnDatabase {
    pub(crate) fn new(location: Location, identity: Option<String>) -> Self {
        Self { location, identity }
    }

    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    /// Fails for a database in memory: only the storage itself has a connection to it.
    pub(super) fn check_shared(&self) -> Result<()> {
        if matches!(self.location, Location::File(_)) {
            return Ok(());
        }
        Err(refused(
            "this storage keeps its tasks in memory, where no other connection can write: open it with a file \
             for a transaction of your own",
        ))
    }

    /// Fails unless the connection has the same file open, however its path was written.
    ///
    /// The identity alone does not suffice, because a copy of the database has the same one. The file alone does
    /// not suffice where the operating system does not number files.
    pub(super) fn check(&self, found: Result<FoundDatabase, Failure>) -> Result<()> {
        let found = match found {
            Ok(found) => found,
            Err(Failure::Sql(error)) if error.code() == Some(ErrorCode::Unknown) => {
                return Err(self.different_database("it has no tables of OmniQ"));
            }
            Err(other) => return Err(other.not_done(self.location.path())),
        };
        if Some(&found.identity) != self.identity.as_ref() {
            return Err(self.different_database("it is another database of OmniQ"));
        }
        let path = found.file.filter(|file| !file.is_empty()).map(to_path);
        let file = path.map(|path| FileId::of(&Location::File(path)));
        match file.transpose()? {
            Some(file) if file == FileId::of(&self.location)? => Ok(()),
            _ => Err(self.different_database("it is a copy of it")),
        }
    }

    fn different_database(&self, why: &str) -> Error {
        refused(&format!(
            "the transaction's main database is not the storage's {}: {why}. Begin the transaction on a \
             connection to that file",
            self.location.path().display()
        ))
    }
}

/// Returns an error for a mistake in the program, which a second attempt can't fix.
pub(super) fn refused(text: &str) -> Error {
    Error::new(ErrorKind::Settings, text)
}

#[cfg(unix)]
fn to_path(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn to_path(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}
