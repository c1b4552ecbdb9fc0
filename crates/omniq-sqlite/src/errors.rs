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
        match self {
            Self::Sql(error) => error.code().is_some_and(is_environmental),
            Self::Refused(_) => false,
        }
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

/// Returns whether a code says something about the environment and nothing about the command. The extended codes of a
/// primary code have the same cause.
fn is_environmental(code: ErrorCode) -> bool {
    match code {
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
        | ErrorCode::NoLargeFileSupport
        // SQLite may have rolled back the whole transaction.
        | ErrorCode::OperationInterrupted
        | ErrorCode::OperationAborted
        | ErrorCode::SchemaChanged => true,
        ErrorCode::InternalMalfunction
        | ErrorCode::NotFound
        | ErrorCode::TooBig
        | ErrorCode::ConstraintViolation
        | ErrorCode::TypeMismatch
        | ErrorCode::ApiMisuse
        | ErrorCode::AuthorizationForStatementDenied
        | ErrorCode::ParameterOutOfRange
        | ErrorCode::Unknown => false,
        // A code that this build does not know.
        _ => false,
    }
}

/// Returns advice for the caller, and whether a later attempt may succeed.
fn advice(path: &Path, error: &SqlError) -> (&'static str, bool) {
    use rusqlite::ffi::SQLITE_IOERR_NOMEM;
    const NO_MEMORY: &str = " (memory is short; work then continues without a restart)";
    let Some(error) = error.sqlite_error() else {
        return ("", false);
    };
    match error.code {
        ErrorCode::DiskFull => (
            " (free some space; work then continues without a restart)",
            true,
        ),
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed => (
            " (another program holds a write transaction for too long: let it commit sooner)",
            true,
        ),
        ErrorCode::OutOfMemory => (NO_MEMORY, true),
        ErrorCode::SystemIoFailure if error.extended_code == SQLITE_IOERR_NOMEM => {
            (NO_MEMORY, true)
        }
        ErrorCode::SystemIoFailure => (" (check the disk, and the operating system's log)", true),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            (" (make the file and its folder writable)", true)
        }
        ErrorCode::CannotOpen if open_files_limit::is_reached(path) => {
            (open_files_limit::ADVICE, true)
        }
        ErrorCode::CannotOpen => (" (does its folder exist, and is it writable?)", true),
        ErrorCode::OperationInterrupted
        | ErrorCode::OperationAborted
        | ErrorCode::SchemaChanged => (" (something interrupted it: try again)", true),
        ErrorCode::NoLargeFileSupport => (
            " (the file system can't hold a file of this size: move the database to another one)",
            false,
        ),
        ErrorCode::NotADatabase => (" (give the path of a SQLite file or of a new one)", false),
        ErrorCode::DatabaseCorrupt => (
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use omniq_writer::Failure as _;
    use rusqlite::ffi::{self, Error};

    use super::{Failure, explain};

    /// Returns whether a code is environmental, and whether it is retryable.
    fn class(code: i32) -> (bool, bool) {
        let error = || rusqlite::Error::SqliteFailure(Error::new(code), None);
        let is_retryable = explain(Path::new("a.db"), "no", error()).is_retryable();
        let failure = Failure::from(error());
        assert_eq!(
            failure.not_done(Path::new("a.db")).is_retryable(),
            is_retryable
        );
        (failure.is_environmental(), is_retryable)
    }

    #[test]
    fn what_passes_by_itself_is_environmental_and_retryable() {
        let primary = [
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_LOCKED,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_INTERRUPT,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_FULL,
            ffi::SQLITE_CANTOPEN,
            ffi::SQLITE_PROTOCOL,
            ffi::SQLITE_PERM,
            ffi::SQLITE_ABORT,
            ffi::SQLITE_SCHEMA,
        ];
        for code in primary {
            for extended in 0..40 {
                assert_eq!(
                    class(code | extended << 8),
                    (true, true),
                    "{code} {extended}"
                );
            }
        }
    }

    #[test]
    fn what_needs_a_person_is_environmental_only() {
        for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB, ffi::SQLITE_NOLFS] {
            for extended in 0..40 {
                assert_eq!(
                    class(code | extended << 8),
                    (true, false),
                    "{code} {extended}"
                );
            }
        }
    }

    #[test]
    fn what_the_command_caused_is_neither() {
        let own = [
            ffi::SQLITE_ERROR,
            ffi::SQLITE_INTERNAL,
            ffi::SQLITE_NOTFOUND,
            ffi::SQLITE_TOOBIG,
            ffi::SQLITE_CONSTRAINT,
            ffi::SQLITE_MISMATCH,
            ffi::SQLITE_MISUSE,
            ffi::SQLITE_AUTH,
            ffi::SQLITE_RANGE,
        ];
        for code in own {
            assert_eq!(class(code), (false, false), "{code}");
        }
    }
}
