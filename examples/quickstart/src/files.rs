//! Lists the regular files below a folder.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use walkdir::{DirEntry, WalkDir};

/// A regular file, with its size and time when the folder was read.
#[derive(Debug, Clone)]
pub struct Found {
    pub path: String,
    pub size: u64,
    /// Microseconds since 1970.
    pub changed: i64,
}

impl Found {
    /// Identifies the contents of the file: the key changes with the path, the size or the modification time.
    pub fn key(&self) -> String {
        format!("{}|{}|{}", self.path, self.size, self.changed)
    }
}

/// The entries below a folder.
pub struct Listing {
    pub files: Vec<Found>,
    /// Entries that can't become tasks, each with the reason.
    pub left_out: Vec<(PathBuf, String)>,
}

/// Lists a folder and its subfolders. Entries that can't be read are listed in `left_out`.
pub fn below(folder: &Path, db: &Path) -> std::io::Result<Listing> {
    let db = db.canonicalize()?;
    let is_database = |path: &Path| {
        let name = |suffix: &str| {
            let mut name = db.as_os_str().to_owned();
            name.push(suffix);
            path.as_os_str() == name
        };
        ["", "-wal", "-shm", "-journal", "-omniq"]
            .iter()
            .any(|suffix| name(suffix))
    };
    let mut listing = Listing {
        files: Vec::new(),
        left_out: Vec::new(),
    };
    let walk = WalkDir::new(folder).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| !is_ignored(entry) && !is_database(entry.path())) {
        match entry {
            Ok(entry) if entry.file_type().is_file() => listing.add(&entry),
            Ok(_) => {}
            Err(error) => {
                let path = error.path().unwrap_or(folder).to_owned();
                listing.left_out.push((path, error.to_string()));
            }
        }
    }
    Ok(listing)
}

fn is_ignored(entry: &DirEntry) -> bool {
    let name = entry.file_name();
    entry.depth() > 0 && entry.file_type().is_dir() && (name == ".git" || name == "target")
}

impl Listing {
    fn add(&mut self, entry: &DirEntry) {
        let path = entry.path();
        match (path.to_str(), entry.metadata()) {
            (Some(text), Ok(meta)) => {
                let changed = meta
                    .modified()
                    .ok()
                    .and_then(|t| t.duration_since(UNIX_EPOCH).ok());
                let changed = changed.map_or(0, |since| since.as_micros() as i64);
                self.files.push(Found {
                    path: text.to_owned(),
                    size: meta.len(),
                    changed,
                });
            }
            (None, _) => self
                .left_out
                .push((path.to_owned(), "its name is not UTF-8".to_owned())),
            (_, Err(error)) => self.left_out.push((path.to_owned(), error.to_string())),
        }
    }
}
