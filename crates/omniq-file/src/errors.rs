//! What went wrong, what it means for a caller, and what to do about it.

use std::io;
use std::path::Path;

use omniq_core::{Error, ErrorKind};
use omniq_writer::{Cause, shared_error};

/// Why something in a batch did not work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The disk said so.
    Disk(io::Error),
    /// Another process keeps the lock.
    Busy,
    /// We did.
    Refused(Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl omniq_writer::Failure for Failure {
    fn is_environmental(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }

    fn not_done(&self, place: &Path) -> Error {
        match self {
            Self::Disk(error) => explain(place, "nothing was changed", error),
            Self::Busy => {
                let text = format!(
                    "the queue in {} is locked by another process for long (is it stopped?): nothing was changed",
                    place.display()
                );
                Error::new(ErrorKind::Storage, text).retryable()
            }
            Self::Refused(error) if error.is_retryable() => shared_error(error).retryable(),
            Self::Refused(error) => shared_error(error),
        }
    }
}

/// A caller's error for one of the disk's.
pub(crate) fn explain(place: &Path, what: &str, error: &io::Error) -> Error {
    let text = format!(
        "the queue in {}: {what}: {error}{}",
        place.display(),
        advice(error)
    );
    Error::new(ErrorKind::Storage, text)
        .with_source(Cause::of(error))
        .retryable()
}

fn advice(error: &io::Error) -> &'static str {
    use io::ErrorKind::{
        FileTooLarge, IsADirectory, NotADirectory, NotFound, PermissionDenied, QuotaExceeded,
        ReadOnlyFilesystem, StorageFull,
    };
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => {
            " (free some space; work goes on by itself then)"
        }
        PermissionDenied | ReadOnlyFilesystem => " (make the folder and all in it writable)",
        IsADirectory => " (a folder stands where OmniQ has a file: move it away)",
        NotFound | NotADirectory => " (was the folder removed? work goes on once it is back)",
        _ => " (look at the disk, and at the system's log)",
    }
}

/// The error of a commit that failed: nobody knows whether the disk has it.
pub(crate) fn unknown(place: &Path, error: &io::Error) -> Error {
    let text = format!(
        "the queue in {}: a flush failed, so this may have happened or not: {error}{} (look before you try \
         again, or use a unique key)",
        place.display(),
        advice(error)
    );
    Error::new(ErrorKind::Storage, text)
        .with_source(Cause::of(error))
        .unknown()
}
