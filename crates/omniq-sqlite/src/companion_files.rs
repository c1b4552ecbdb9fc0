//! The files `-wal` and `-shm` beside a database: detects that they were removed or replaced while they were open,
//! and refuses those that another program would not share.
//!
//! Without the `-wal`, nobody finds what was committed since the last checkpoint. Two programs with different files
//! `-shm` do not see each other's locks.

use std::cell::Cell;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use omniq_core::{Error, ErrorKind, Result};
use omniq_writer::ipc::is_mount_point;

use crate::location::Location;
use crate::monotonic;
use crate::replaced_file::{FileId, link_count, removed_or_replaced};

/// The files are checked again after this time: a check costs microseconds, and a busy writer commits every 30.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// The `-wal` and the `-shm` that a connection has open. SQLite removes them only when the last connection closes, so
/// they stay the same files while one is open.
#[derive(Debug, Clone)]
pub(crate) struct CompanionFiles {
    wal: (PathBuf, FileId),
    shm: (PathBuf, FileId),
    checked: Cell<Instant>,
    wal_length: Cell<u64>,
}

/// How a file was lost.
#[derive(Debug)]
pub(crate) struct Lost {
    /// What to tell callers.
    pub(crate) error: Error,
    /// Whether no other program can have used a new file yet.
    pub(crate) only_removed: bool,
}

impl CompanionFiles {
    /// Returns the files that are beside the database now. `None` for a database without them.
    pub(crate) fn of(location: &Location) -> Result<Option<Self>> {
        let Location::File(path) = location else {
            return Ok(None);
        };
        let main = path
            .canonicalize()
            .map_err(|e| removed_or_replaced(path).with_source(e))?;
        // SQLite names these files after the file to which links lead.
        let open = |end| -> Result<(PathBuf, FileId)> {
            let file = with_end(&main, end);
            match file_id(&file) {
                Ok(id) => Ok((file, id)),
                Err(error) => Err(held_after_removal(&file, error)),
            }
        };
        Ok(Some(Self {
            wal: open("-wal")?,
            shm: open("-shm")?,
            checked: Cell::new(monotonic::now()),
            wal_length: Cell::default(),
        }))
    }

    /// Fails if a file was removed or replaced. Checks at most once a millisecond.
    pub(crate) fn check_soon(&self) -> Result<(), Lost> {
        if self.checked.get().elapsed() < CHECK_INTERVAL {
            return Ok(());
        }
        self.check()
    }

    /// Fails if a file was removed or replaced.
    pub(crate) fn check(&self) -> Result<(), Lost> {
        for (path, id) in [&self.wal, &self.shm] {
            let found = std::fs::symlink_metadata(path);
            if let Ok(meta) = &found
                && path == &self.wal.0
            {
                self.wal_length.set(meta.len());
            }
            let found = found.map(|meta| FileId::of_file(&meta));
            if found.as_ref().is_ok_and(|found| found == id) {
                continue;
            }
            // SQLite creates an empty `-wal` when it opens a database, and writes nothing into it until it commits.
            let is_unused =
                path == &self.wal.0 && std::fs::metadata(path).is_ok_and(|meta| meta.len() == 0);
            let is_missing =
                matches!(&found, Err(error) if error.kind() == io::ErrorKind::NotFound);
            return Err(Lost {
                error: lost(path, found.err()),
                only_removed: is_missing || is_unused,
            });
        }
        self.checked.set(monotonic::now());
        Ok(())
    }

    /// Returns the length of the `-wal` in bytes at the last check.
    pub(crate) fn wal_length(&self) -> u64 {
        self.wal_length.get()
    }

    /// Reads the length of the `-wal` in bytes.
    pub(crate) fn read_wal_length(&self) -> u64 {
        let length = std::fs::metadata(&self.wal.0).map_or(0, |meta| meta.len());
        self.wal_length.set(length);
        length
    }
}

/// The files that the writer has open at present.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedCompanions(Arc<Mutex<Option<CompanionFiles>>>);

impl SharedCompanions {
    /// Replaces the files.
    pub(crate) fn set(&self, files: Option<&CompanionFiles>) {
        *self.lock() = files.cloned();
    }

    /// Fails if a file was removed or replaced.
    pub(crate) fn check(&self) -> Result<()> {
        let files = self.lock().clone();
        files.map_or(Ok(()), |files| files.check().map_err(|lost| lost.error))
    }

    fn lock(&self) -> MutexGuard<'_, Option<CompanionFiles>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses a database whose files another program, or a later process of this one, would not find: a file that is a
/// mount of its own, or a `-wal` or `-shm` with another name.
pub(crate) fn refuse_unshared(location: &Location) -> Result<()> {
    let Location::File(path) = location else {
        return Ok(());
    };
    // A database that does not exist yet has no files to refuse.
    let Ok(main) = path.canonicalize() else {
        return Ok(());
    };
    if is_mount_point(&main) {
        return Err(mounted(path, &main));
    }
    for end in ["-wal", "-shm"] {
        let file = with_end(&main, end);
        match std::fs::symlink_metadata(&file) {
            Ok(_) if is_mount_point(&file) => return Err(mounted(path, &file)),
            Ok(meta) if is_linked(&meta) => {
                let text = format!(
                    "the database {}: {} is a link or has another name as well, so it would not stay beside the \
                     database. Remove the link while no program has the database open",
                    path.display(),
                    file.display()
                );
                return Err(Error::new(ErrorKind::Storage, text));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns whether there is a `-wal` that contains something.
pub(crate) fn has_wal(path: &Path) -> bool {
    let main = path.canonicalize();
    let wal = main.and_then(|main| std::fs::metadata(with_end(&main, "-wal")));
    wal.is_ok_and(|meta| meta.len() > 0)
}

fn is_linked(meta: &Metadata) -> bool {
    meta.file_type().is_symlink() || link_count(meta) > 1
}

fn mounted(path: &Path, file: &Path) -> Error {
    let text = format!(
        "the database {}: {} is a mount of its own. The database and its files -wal and -shm must be in one folder, \
         or what was written last is lost with the others. Mount the folder instead of the file (for containers: \
         `-v /host/folder:/data` instead of `-v /host/folder/jobs.db:/data/jobs.db`)",
        path.display(),
        file.display()
    );
    Error::new(ErrorKind::Storage, text)
}

fn lost(file: &Path, cause: Option<io::Error>) -> Error {
    let text = format!(
        "{} was removed or replaced while the database was open: leave the files -wal and -shm alone until every \
         program has closed the database; work continues once no program uses the lost file any more",
        file.display()
    );
    let error = Error::new(ErrorKind::Storage, text).retryable();
    match cause {
        Some(cause) => error.with_source(cause),
        None => error,
    }
}

fn held_after_removal(file: &Path, cause: io::Error) -> Error {
    let text = format!(
        "{} is missing although the database is open: another connection of this process keeps the removed file. \
         Close that connection, or restart the process",
        file.display()
    );
    Error::new(ErrorKind::Storage, text)
        .retryable()
        .with_source(cause)
}

/// Returns the id of the file itself, even if it is a symbolic link.
fn file_id(path: &Path) -> io::Result<FileId> {
    Ok(FileId::of_file(&std::fs::symlink_metadata(path)?))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
