//! Turns SQLite's errors into errors for callers, with advice.

use std::error::Error as StdError;
use std::path::Path;
use std::sync::Arc;

use omniq_core::{Error, ErrorKind};
use rusqlite::ErrorCode;

use crate::open_files_limit;

/// Why an operation in a transaction failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// SQLite reported an error.
    Sql(SqlError),
    /// Our own code refused the operation.
    Refused(Error),
}

/// An error that SQLite reported, with the type that its library gave it. Clones share it.
#[derive(Debug, Clone)]
pub(crate) enum SqlError {
    Rusqlite(Arc<rusqlite::Error>),
    #[cfg(feature = "sqlx")]
    Sqlx(Arc<sqlx::sqlite::SqliteError>),
}

impl From<rusqlite::Error> for SqlError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Rusqlite(Arc::new(error))
    }
}

#[cfg(feature = "sqlx")]
impl From<sqlx::sqlite::SqliteError> for SqlError {
    fn from(error: sqlx::sqlite::SqliteError) -> Self {
        Self::Sqlx(Arc::new(error))
    }
}

impl SqlError {
    /// Returns SQLite's code, if the error came from SQLite itself and not from the library around it.
    fn sqlite_error(&self) -> Option<rusqlite::ffi::Error> {
        match self {
            Self::Rusqlite(error) => error.sqlite_error().copied(),
            #[cfg(feature = "sqlx")]
            Self::Sqlx(error) => {
                let code = sqlx::error::DatabaseError::code(&**error)?;
                code.parse().ok().map(rusqlite::ffi::Error::new)
            }
        }
    }

    /// Returns SQLite's primary code.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        self.sqlite_error().map(|error| error.code)
    }

    /// Returns whether another connection has the lock.
    #[cfg(feature = "sqlx")]
    pub(crate) fn is_busy(&self) -> bool {
        self.code() == Some(ErrorCode::DatabaseBusy)
    }

    /// Returns whether a unique index refused a row.
    pub(crate) fn is_unique_violation(&self) -> bool {
        use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
        self.sqlite_error().is_some_and(|error| {
            error.extended_code == SQLITE_CONSTRAINT_UNIQUE
                || error.extended_code == SQLITE_CONSTRAINT_PRIMARYKEY
        })
    }

    fn into_source(self) -> Arc<dyn StdError + Send + Sync> {
        match self {
            Self::Rusqlite(error) => error,
            #[cfg(feature = "sqlx")]
            Self::Sqlx(error) => error,
        }
    }
}

impl From<rusqlite::Error> for Failure {
    /// Blames the row, not the database, for a value that was read but can't be used.
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error::{
            FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
        };
        match error {
            FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | Utf8Error(..) => {
                let text = "a row has a value that can't be used";
                Self::Refused(Error::new(ErrorKind::Storage, text).with_source(error))
            }
            other => Self::Sql(other.into()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl omniq_writer::Failure for Failure {
    /// Returns whether the failure is environmental, so that every other command would fail too.
    fn is_environmental(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        matches!(
            error.code(),
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

    /// Returns the error for a caller whose command was not executed.
    fn not_done(&self, path: &Path) -> Error {
        match self {
            Self::Sql(error) => explain(path, "nothing was changed", error.clone()),
            Self::Refused(error) => error.clone(),
        }
    }
}

/// Returns a caller's error for an error of SQLite's, with the database's path and advice.
pub(crate) fn explain(path: &Path, what: &str, error: impl Into<SqlError>) -> Error {
    let error = error.into();
    let (advice, retryable) = advice(path, &error);
    let text = format!("the database {}: {what}{advice}", path.display());
    let explained = Error::new(ErrorKind::Storage, text).with_shared_source(error.into_source());
    if retryable {
        explained.retryable()
    } else {
        explained
    }
}

/// Returns advice for the caller, and whether a later attempt may succeed.
fn advice(path: &Path, error: &SqlError) -> (&'static str, bool) {
    match error.code() {
        Some(ErrorCode::DiskFull) => (
            " (free some space; work then continues without a restart)",
            true,
        ),
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed,
        ) => (
            " (another program holds a write transaction for too long: let it commit sooner)",
            true,
        ),
        Some(ErrorCode::SystemIoFailure) => {
            (" (check the disk, and the operating system's log)", true)
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            (" (make the file and its folder writable)", true)
        }
        Some(ErrorCode::CannotOpen) if open_files_limit::is_reached(path) => {
            (open_files_limit::ADVICE, true)
        }
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

/// Returns the error of a commit that failed: it is unknown whether the disk has its data.
pub(crate) fn failed_commit(path: &Path, error: rusqlite::Error) -> Error {
    let error = SqlError::from(error);
    let reason = format!("a commit failed{}", advice(path, &error).0);
    unknown(path, &reason).with_shared_source(error.into_source())
}

/// Returns the error of a commit into a file that `error` reports as removed or replaced.
pub(crate) fn commit_into_lost_file(path: &Path, error: Error) -> Error {
    let reason = "the file was removed or replaced, or got a second name, during a commit";
    unknown(path, reason).with_source(error)
}

fn unknown(path: &Path, reason: &str) -> Error {
    let text = format!(
        "the database {}: {reason}, so this may have happened or not (check before you try again, or use \
         a unique key)",
        path.display()
    );
    Error::new(ErrorKind::Storage, text).unknown()
}
