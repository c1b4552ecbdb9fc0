//! A lock that is got after its file lost its name says nothing about who has the name now.

use std::fs::File;
use std::path::Path;

/// Whether the name was given to another file, or taken away. Asked under the file's lock: whoever takes a
/// name away holds it.
#[cfg(unix)]
pub(crate) fn is_over(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
    let (Ok(file), Ok(named)) = (file.metadata(), std::fs::metadata(path)) else {
        return true;
    };
    id(file) != id(named)
}

/// Before the lock is let go, and after the name was taken away.
#[cfg(unix)]
pub(crate) fn mark(_: &File) {}

/// What such a file begins with, where the system has no number for each file.
#[cfg(not(unix))]
const OVER: &[u8] = b"over";

#[cfg(not(unix))]
pub(crate) fn is_over(mut file: &File, _: &Path) -> bool {
    use std::io::{Read as _, Seek as _};
    let mut text = Vec::new();
    let read = file.take(OVER.len() as u64).read_to_end(&mut text);
    read.and_then(|_| file.rewind()).is_err() || text == OVER
}

#[cfg(not(unix))]
pub(crate) fn mark(file: &File) {
    let _ = super::write_at::write_at(file, OVER, 0);
}
