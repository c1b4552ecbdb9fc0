//! Detects that another copy was written over the open database, into the same file: an older backup, for example.
//! SQLite does not notice that, and mixes the pages of both until the file is malformed.

use std::path::Path;
use std::time::{Duration, Instant};

use omniq_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::immutable::immutable_uri;
use crate::location::Location;
use crate::monotonic;
use crate::open::Opened;
use crate::replaced_file::FileVersion;

/// The content is read at most once in this time, because every checkpoint changes the file.
const INTERVAL: Duration = Duration::from_millis(100);

/// A checkpoint of another process may be writing the pages that are read, so a failed read is repeated.
const READS: usize = 3;
const READ_PAUSE: Duration = Duration::from_millis(5);

/// What the database's file contained, without the `-wal`.
pub(crate) struct ContentGuard {
    identity: String,
    /// The largest high-water mark that was read from the file. `None` until it has one.
    high_water: Option<i64>,
    accepted: Option<(FileVersion, Instant)>,
    has_refused: bool,
}

/// What the file contains.
enum Content {
    Omniq {
        identity: String,
        high_water: i64,
    },
    /// It does not begin as a SQLite database does.
    NotADatabase(rusqlite::Error),
    /// The environment prevented reading, or the pages do not fit together. That is normal for a database in WAL mode:
    /// while a reader keeps a checkpoint from completing, the file has new pages beside old ones, and only the file
    /// and its `-wal` together are the database.
    Unknown,
}

impl ContentGuard {
    /// Guards the database that has this identity.
    pub(crate) fn new(identity: String) -> Self {
        Self {
            identity,
            high_water: None,
            accepted: None,
            has_refused: false,
        }
    }

    /// Fails if the file's content is that of another database, or of an older copy. Reads the content only if the
    /// file has changed.
    pub(crate) fn check(&mut self, opened: &Opened, location: &Location) -> Result<()> {
        let (Location::File(path), version) = (location, opened.version()) else {
            return Ok(());
        };
        if let Some((accepted, at)) = self.accepted
            && (accepted == version || at.elapsed() < INTERVAL)
        {
            return Ok(());
        }
        let read = self.read(path);
        self.accepted = read.is_ok().then(|| (version, monotonic::now()));
        if self.has_refused != read.is_err() {
            self.has_refused = read.is_err();
            // The copy stays as it is, for those who put it there.
            opened.leave_files_at_close(self.has_refused);
        }
        read
    }

    /// Returns whether the last check failed.
    pub(crate) fn has_refused(&self) -> bool {
        self.has_refused
    }

    fn read(&mut self, path: &Path) -> Result<()> {
        for attempt in 1.. {
            match content(path) {
                Content::Omniq {
                    identity,
                    high_water,
                } => {
                    let is_other = identity != self.identity;
                    let is_older = self.high_water.is_some_and(|newest| high_water < newest);
                    if (is_other || is_older) && is_consistent(path) {
                        return Err(match is_other {
                            true => overwritten(path, "it is another database of OmniQ"),
                            false => older_copy(path),
                        });
                    }
                    if !is_other && !is_older {
                        self.high_water = Some(high_water);
                    }
                    break;
                }
                // A new database has everything in its `-wal` until the first checkpoint.
                Content::NotADatabase(_) if self.high_water.is_none() => break,
                Content::NotADatabase(error) if attempt == READS => {
                    let why = "it is not a database any more";
                    return Err(overwritten(path, why).with_source(error));
                }
                Content::NotADatabase(_) => std::thread::sleep(READ_PAUSE),
                Content::Unknown => break,
            }
        }
        Ok(())
    }
}

/// Returns the error for a database in which ids would be assigned again.
pub(crate) fn older_copy(path: &Path) -> Error {
    let why = "its newest tasks are missing, and their ids would be assigned again, so it is an older copy";
    overwritten(path, why)
}

fn overwritten(path: &Path, why: &str) -> Error {
    let text = format!(
        "the database {} was overwritten while it was open: {why}. Nothing is written into it. Stop every program that \
         has it open, remove the files -wal and -shm beside it, put the copy there once more, and start again",
        path.display()
    );
    Error::new(ErrorKind::Storage, text).retryable()
}

/// Returns whether the pages of the file fit together without its `-wal`. If they do not, what was read from them says
/// nothing: see [`Content::Unknown`].
fn is_consistent(path: &Path) -> bool {
    let check = |conn: Connection| conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    open_alone(path).is_some_and(|conn| {
        conn.and_then(check)
            .is_ok_and(|found: String| found == "ok")
    })
}

/// Opens the file without its `-wal`.
fn open_alone(path: &Path) -> Option<rusqlite::Result<Connection>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Some(Connection::open_with_flags(immutable_uri(path)?, flags))
}

/// Reads the content of the file without its `-wal`. SQLite reads it, because the close of a file that was opened in
/// another way would release the locks of every connection of this process.
fn content(path: &Path) -> Content {
    let Some(opened) = open_alone(path) else {
        return Content::Unknown;
    };
    let read = opened.and_then(|conn| {
        conn.query_row(include_str!("sql/content.sql"), [], |row| {
            Ok(Content::Omniq {
                identity: row.get(0)?,
                high_water: row.get(1)?,
            })
        })
    });
    read.unwrap_or_else(|error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Content::NotADatabase(error),
        _ => Content::Unknown,
    })
}
