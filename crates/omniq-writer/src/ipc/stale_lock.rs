//! Detects a stale lock: this process locked a file that has since been removed or replaced.

use std::fs::File;
use std::path::Path;

/// Whether the path leads to another file, or to none. Call it with the file locked: a process that removes
/// the name holds the lock.
#[cfg(unix)]
pub(crate) fn is_stale(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
    let (Ok(file), Ok(named)) = (file.metadata(), std::fs::metadata(path)) else {
        return true;
    };
    id(file) != id(named)
}

/// Marks the file as stale, after its name was removed and before its lock is released. On Unix, the inode
/// number is enough.
#[cfg(unix)]
pub(crate) fn mark(_: &File) {}

/// The first bytes of a stale file, where files have no inode numbers.
#[cfg(not(unix))]
const STALE: &[u8] = b"over";

#[cfg(not(unix))]
pub(crate) fn is_stale(mut file: &File, _: &Path) -> bool {
    use std::io::{Read as _, Seek as _};
    let mut text = Vec::new();
    let read = file.take(STALE.len() as u64).read_to_end(&mut text);
    read.and_then(|_| file.rewind()).is_err() || text == STALE
}

#[cfg(not(unix))]
pub(crate) fn mark(file: &File) {
    let _ = super::write_at::write_at(file, STALE, 0);
}
