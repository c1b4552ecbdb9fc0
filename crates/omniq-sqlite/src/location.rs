//! The location of a database: a file, or the memory of this process.

use std::path::{Path, PathBuf};

/// The location of a database.
#[derive(Debug, Clone)]
pub(crate) enum Location {
    /// A file.
    File(PathBuf),
    /// A file that can't be written, or whose folder can't.
    ReadOnly(PathBuf),
    /// The memory of this process.
    Memory,
}

impl Location {
    /// Returns the path for error texts.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::ReadOnly(path) => path,
            Self::Memory => Path::new(":memory:"),
        }
    }

    /// Returns the path of the file, if there is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) | Self::ReadOnly(path) => Some(path),
            Self::Memory => None,
        }
    }
}
