use std::fmt;

/// The kinds of storages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// A SQLite database.
    Sqlite,
    /// A folder of files.
    File,
    /// The memory of this process.
    Memory,
}

impl Backend {
    /// Parses a name in any case; returns `None` if it is unknown.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let all = [Self::Sqlite, Self::File, Self::Memory];
        all.into_iter()
            .find(|backend| name.eq_ignore_ascii_case(backend.as_str()))
    }

    /// Returns the name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::File => "file",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
