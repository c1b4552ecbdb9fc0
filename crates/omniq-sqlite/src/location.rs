//! The location of a database: a file, or the memory of this process.

use std::path::{Path, PathBuf};

/// The location of a database.
#[derive(Debug, Clone)]
pub(crate) enum Location {
    /// A file.
    File(PathBuf),
    /// The memory of this process.
    Memory,
}

impl Location {
    /// Returns the path for error texts.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Memory => Path::new(":memory:"),
        }
    }
}
