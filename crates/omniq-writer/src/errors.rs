//! The errors that several files return.

use std::io;

use omniq_core::{Error, ErrorKind};

/// Returns an error of kind `Storage` with this text and cause.
pub(crate) fn storage_error(text: impl Into<String>, source: io::Error) -> Error {
    Error::new(ErrorKind::Storage, text).with_source(source)
}

/// Returns the error of a storage that was closed.
pub(crate) fn closed(storage: &str) -> Error {
    let text = format!("the {storage} storage was closed: open it again");
    Error::new(ErrorKind::Closed, text)
}

/// Returns the error of a thread of a storage that can't be started.
pub fn no_thread(name: &str, source: io::Error) -> Error {
    storage_error(
        format!("the {name} thread of the storage can't be started"),
        source,
    )
    .retryable()
}
