//! The errors of a database that can only be read, because its file or its folder can't be written.

use std::error::Error as _;
use std::path::Path;

use omniq_core::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// Returns whether SQLite reported that it can't write or create a file.
pub(crate) fn is_refused_write(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref());
    let code = source.and_then(rusqlite::Error::sqlite_error_code);
    matches!(
        code,
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied)
    )
}

/// Returns the error of a write.
pub(crate) fn no_writes(path: &Path) -> Error {
    let text = format!(
        "the database {} was opened for reading only, because its file or its folder can't be written: nothing was \
         changed. Make both writable, and open the storage again",
        path.display()
    );
    Error::new(ErrorKind::Storage, text)
}

/// Returns the error of a database whose newest changes can't be read.
pub(crate) fn needs_wal(path: &Path, cause: Error) -> Error {
    let text = format!(
        "the database {} can't be read in a folder that can't be written, because its newest changes are in its -wal: \
         copy both files into a writable folder, and open the copy",
        path.display()
    );
    Error::new(ErrorKind::Storage, text).with_source(cause)
}

/// Returns the error of a query during which the file was changed.
pub(crate) fn changed(path: &Path) -> Error {
    let text = format!(
        "the database {} was changed by another program while it was read alone",
        path.display()
    );
    Error::new(ErrorKind::Storage, text).retryable()
}
