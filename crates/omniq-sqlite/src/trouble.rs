//! What SQLite's errors mean for a caller, and what to do about them.

use std::path::{Path, PathBuf};

use omniq_core::{Error, ErrorKind};
use omniq_writer::{Cause, shared_error};
use rusqlite::ErrorCode;

use crate::limits;

/// Why something in a transaction did not work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// SQLite said so.
    Sql(rusqlite::Error),
    /// We did.
    Refused(Error),
}

impl From<rusqlite::Error> for Failure {
    /// A value that was found but can't be used is the row's fault, not the database's.
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error::{
            FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
        };
        match error {
            FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | Utf8Error(..) => {
                let text = format!("a row has a value that can't be used: {error}");
                Self::Refused(Error::new(ErrorKind::Storage, text).with_source(error))
            }
            other => Self::Sql(other),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    /// Whether somebody else has the lock.
    #[cfg(feature = "sqlx")]
    pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
        error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
    }
}

impl omniq_writer::Failure for Failure {
    /// Whether the cause lies in the surroundings, so that no other command would fare better.
    fn is_environmental(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        matches!(
            error.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::FileLockingProtocolFailed
                    | ErrorCode::ReadOnly
                    | ErrorCode::CannotOpen
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::OutOfMemory
                    | ErrorCode::PermissionDenied
            )
        )
    }

    /// The error for a caller whose command did not happen.
    fn not_done(&self, path: &Path) -> Error {
        match self {
            Self::Sql(error) => explain(path, "nothing was changed", error),
            Self::Refused(error) => {
                let told = shared_error(error);
                if error.is_retryable() {
                    told.retryable()
                } else {
                    told
                }
            }
        }
    }
}

/// Whether a unique index refused a row.
pub(crate) fn is_taken(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    error.sqlite_error().is_some_and(|e| {
        e.extended_code == SQLITE_CONSTRAINT_UNIQUE
            || e.extended_code == SQLITE_CONSTRAINT_PRIMARYKEY
    })
}

/// A caller's error for one of SQLite's, with the database's path and what to do.
pub(crate) fn explain(path: &Path, what: &str, error: &rusqlite::Error) -> Error {
    let (advice, retryable) = advice(path, error);
    let text = format!("the database {}: {what}: {error}{advice}", path.display());
    let explained = Error::new(ErrorKind::Storage, text).with_source(Cause::of(error));
    if retryable {
        explained.retryable()
    } else {
        explained
    }
}

fn advice(path: &Path, error: &rusqlite::Error) -> (&'static str, bool) {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (" (free some space; work goes on by itself then)", true),
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed,
        ) => (
            " (another program holds a write transaction for long: let it commit sooner)",
            true,
        ),
        Some(ErrorCode::SystemIoFailure) => (" (look at the disk, and at the system's log)", true),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            (" (make the file and its folder writable)", true)
        }
        Some(ErrorCode::CannotOpen) if limits::no_more_files(path) => (limits::ADVICE, true),
        Some(ErrorCode::CannotOpen) => (" (does its folder exist, and is it writable?)", true),
        Some(ErrorCode::NotADatabase) => {
            (" (give the path of a SQLite file or of a new one)", false)
        }
        Some(ErrorCode::DatabaseCorrupt) => (
            " (run `PRAGMA integrity_check`, and restore a copy if it finds damage)",
            false,
        ),
        _ => ("", false),
    }
}

/// The error of a commit that failed: nobody knows whether the disk has it.
pub(crate) fn unknown(path: &Path, error: &rusqlite::Error) -> Error {
    let text = format!(
        "the database {}: a commit failed, so this may have happened or not: {error}{} (look before you \
         try again, or use a unique key)",
        path.display(),
        advice(path, error).0
    );
    Error::new(ErrorKind::Storage, text)
        .with_source(Cause::of(error))
        .unknown()
}

/// Where the database is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A file.
    File(PathBuf),
    /// Nowhere but in this process.
    Memory,
}

impl Place {
    /// For error texts.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Memory => Path::new(":memory:"),
        }
    }
}
