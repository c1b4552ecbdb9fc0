//! The few things that are done to a disk. Tests put another one in its place: one that breaks, or one
//! that forgets what was not flushed.

pub(crate) mod real;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// Where the folder is. Every error names the path.
pub(crate) trait Disk: Send + Sync + 'static {
    /// All of a file. Not through a link.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// What a file is to hold; it is made where it is missing, if it may be.
    fn write(&self, path: &Path, bytes: &[u8], make: bool) -> io::Result<()>;
    /// A file that nobody else has made.
    fn make(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Gives a file another name, in place of whatever had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// An empty one.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// What is there, if anything is.
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>>;
    /// When it was last written, and how long it is.
    fn meta(&self, path: &Path) -> io::Result<(SystemTime, u64)>;
    /// To read and write in; made where it is missing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>>;
    /// Flushes all that was written below a folder.
    fn sync_all(&self, folder: &Path) -> io::Result<()>;
    /// What tells one run of the machine from the next, where something does.
    fn boot(&self) -> Option<String>;
}

/// An open file.
pub(crate) trait OpenFile: Send + Sync {
    /// Reads what is there, up to the end of the file.
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize>;
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    fn len(&self) -> io::Result<u64>;
    /// Flushes its content.
    fn sync(&self) -> io::Result<()>;
    /// Takes the file's lock if nobody has it.
    fn try_lock(&self) -> io::Result<bool>;
    fn unlock(&self) -> io::Result<()>;
    /// Whether the file still has its name.
    fn is_in_place(&self, path: &Path) -> bool;
}

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirEntry {
    pub(crate) name: OsString,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    File,
    /// A link, or something else that is none of ours.
    Other,
}

impl DirEntry {
    /// Its name, if it can be one of ours.
    pub(crate) fn text(&self) -> Option<&str> {
        self.name.to_str()
    }
}

/// What is missing is no trouble.
pub(crate) fn if_exists<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
