//! Why a batch failed, and the errors that callers get for it: each says what to do, and has the error of the disk as
//! its source.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use omniq_core::{Error, ErrorKind};

/// Why an operation of a batch failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The disk returned an error. It is shared: it is the source of the error of each caller in the batch.
    Io(Arc<io::Error>),
    /// Another process holds the lock.
    Locked,
    /// Another reason, as the error for the caller.
    Refused(Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
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

    fn not_done(&self, path: &Path) -> Error {
        match self {
            Self::Io(error) => io_error(path, "nothing was changed", Arc::clone(error)),
            Self::Locked => {
                let text = format!(
                    "the queue in {} has been locked by another process for several seconds (is it stopped?): \
                     nothing was changed",
                    path.display()
                );
                Error::new(ErrorKind::Storage, text).retryable()
            }
            Self::Refused(error) => error.clone(),
        }
    }
}

/// Returns a caller's error for an error of the disk: `what` says what it means for the call.
pub(crate) fn io_error(path: &Path, what: &str, error: Arc<io::Error>) -> Error {
    let text = format!("the queue in {}: {what}{}", path.display(), advice(&error));
    Error::new(ErrorKind::Storage, text)
        .with_shared_source(error)
        .retryable()
}

/// Returns the error of a commit that failed: it is unknown whether the disk has it.
pub(crate) fn unknown(path: &Path, error: io::Error) -> Error {
    let text = format!(
        "the queue in {}: a write or an fsync of the log failed, so it is unknown whether this was committed: check \
         before you try again, or use a unique key{}",
        path.display(),
        advice(&error)
    );
    Error::new(ErrorKind::Storage, text)
        .with_source(error)
        .unknown()
}

fn advice(error: &io::Error) -> &'static str {
    use io::ErrorKind::{
        FileTooLarge, IsADirectory, NotADirectory, NotFound, PermissionDenied, QuotaExceeded,
        ReadOnlyFilesystem, StorageFull,
    };
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => {
            " (free some space; the queue continues by itself then)"
        }
        PermissionDenied | ReadOnlyFilesystem => " (make the folder and everything in it writable)",
        IsADirectory => " (there is a folder where OmniQ has a file: move it away)",
        NotFound | NotADirectory => {
            " (was the folder removed? the queue continues once it is back)"
        }
        _ => " (check the disk, and the log of the operating system)",
    }
}

/// Displays an error and its sources in one line, joined with ": ".
pub(crate) fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl fmt::Display + 'a {
    Chain(error)
}

struct Chain<'a>(&'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use omniq_writer::Failure as _;

    use super::*;

    #[test]
    fn the_source_is_the_io_error_and_its_text_is_not_repeated() {
        let failure = Failure::from(io::Error::new(io::ErrorKind::StorageFull, "no space left"));
        for error in [
            failure.not_done(Path::new("/base")),
            unknown(
                Path::new("/base"),
                io::Error::new(io::ErrorKind::StorageFull, "no space left"),
            ),
        ] {
            let source = StdError::source(&error).unwrap();
            let source = source.downcast_ref::<io::Error>().unwrap();
            assert_eq!(source.kind(), io::ErrorKind::StorageFull);
            let text = error.chain().to_string();
            assert_eq!(text.matches("no space left").count(), 1, "{text}");
            assert!(text.contains("/base") && text.contains("free some space"));
        }
    }
}
