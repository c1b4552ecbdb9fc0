//! The disk operations that the storage needs. Tests replace the disk by one that fails, or that loses what was not
//! flushed.

pub(crate) mod real;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use omniq_writer::ipc::BootId;

/// The disk that the folder is on. Every error names the path.
pub(crate) trait Disk: Send + Sync + 'static {
    /// Reads a file. It does not follow a link.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Replaces the content of a file in place. A missing file is created if `create` is true, otherwise an error.
    fn write(&self, path: &Path, bytes: &[u8], create: bool) -> io::Result<()>;
    /// Creates a file; fails if it exists.
    fn create_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Renames a file, and replaces the file that has the name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Returns what kind of file the path is; `None` if it is missing.
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>>;
    /// Returns when a file was last modified, and its length.
    fn meta(&self, path: &Path) -> io::Result<(SystemTime, u64)>;
    /// Opens a file for reading and writing; creates it if it is missing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>>;
    /// Flushes everything that was written below a folder (`syncfs`, or an fsync of each file).
    fn sync_all(&self, folder: &Path) -> io::Result<()>;
    /// Returns the id of this boot of the machine.
    fn boot(&self) -> BootId;
}

/// An open file.
pub(crate) trait OpenFile: Send + Sync {
    /// Fills the buffer, as far as the file reaches. Returns the number of bytes.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    fn len(&self) -> io::Result<u64>;
    /// Flushes the content (fsync).
    fn sync(&self) -> io::Result<()>;
    /// Locks the file if no other process has locked it. Returns whether it did.
    fn try_lock(&self) -> io::Result<bool>;
    fn unlock(&self) -> io::Result<()>;
    /// Whether the path still leads to this file.
    fn is_at(&self, path: &Path) -> bool;
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirEntry {
    pub(crate) name: OsString,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    File,
    /// A link, a pipe or another special file.
    Other,
}

impl DirEntry {
    /// Returns the name, if it is text.
    pub(crate) fn text(&self) -> Option<&str> {
        self.name.to_str()
    }
}

/// Turns the error that a file is missing into `None`.
pub(crate) fn if_exists<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
