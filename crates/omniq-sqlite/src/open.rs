//! Opens connections. A database is checked before anything in it is changed.

use std::ops::Deref;
use std::path::Path;

use omniq_core::{CoreSettings, Error, ErrorKind, Result};
use rusqlite::{Connection, OpenFlags};

use crate::errors::explain;
use crate::forked::ForkGuard;
use crate::location::Location;
use crate::replaced_file::FileId;
use crate::{migrate, pragmas};

/// Larger than the number of our statements, so that none is prepared twice.
const STATEMENTS: usize = 64;

/// A connection, and the file that it has open.
pub(crate) struct Opened {
    conn: Connection,
    location: Location,
    file: FileId,
    /// Dropped after the connection.
    _in_use: ForkGuard,
}

impl Opened {
    /// Fails if the file was removed or replaced.
    pub(crate) fn check(&self) -> Result<()> {
        self.file.check(&self.location)
    }
}

impl Deref for Opened {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.conn
    }
}

/// Opens the connection that writes. Creates the database if it is missing, and its tables.
pub(crate) fn writer(location: &Location, settings: &CoreSettings) -> Result<Opened> {
    let mut opened = open_writer(location, settings, OpenFlags::SQLITE_OPEN_CREATE)?;
    migrate::migrate(&mut opened.conn, location)?;
    Ok(opened)
}

/// Opens the connection that writes again. Fails if the database is missing: a new one would not contain the
/// tasks that were acknowledged.
pub(crate) fn reopen_writer(location: &Location, settings: &CoreSettings) -> Result<Opened> {
    let opened = open_writer(location, settings, OpenFlags::empty())?;
    migrate::check_complete(&opened, location)?;
    Ok(opened)
}

fn open_writer(
    location: &Location,
    settings: &CoreSettings,
    extra_flags: OpenFlags,
) -> Result<Opened> {
    let opened = connect(location, OpenFlags::SQLITE_OPEN_READ_WRITE | extra_flags)?;
    migrate::version(&opened, location)?;
    pragmas::writer(&opened, location, settings.durability)?;
    Ok(opened)
}

/// Opens a connection that only reads, to a database that the writer has set up.
pub(crate) fn reader(location: &Location) -> Result<Opened> {
    let opened = connect(location, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    pragmas::reader(&opened, location)?;
    Ok(opened)
}

fn connect(location: &Location, flags: OpenFlags) -> Result<Opened> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let fork_guard = ForkGuard::enter()?;
    let conn = match location {
        Location::File(path) if path.is_dir() => {
            let text = format!("the database {} is a folder: name a file", path.display());
            return Err(Error::new(ErrorKind::Storage, text));
        }
        // SQLite would read a relative path that begins with `file:` as a URI.
        Location::File(path) if path.as_os_str().as_encoded_bytes().starts_with(b"file:") => {
            Connection::open_with_flags(Path::new(".").join(path), flags)
        }
        Location::File(path) => Connection::open_with_flags(path, flags),
        Location::Memory => Connection::open_in_memory(),
    };
    let conn = conn.map_err(|e| match FileId::of(location) {
        // Only the first opening may create the file, so in a later one it has been removed.
        Err(removed) if !flags.contains(OpenFlags::SQLITE_OPEN_CREATE) => removed,
        _ => explain(location.path(), "can't be opened", e),
    })?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    let (location, file) = (location.clone(), FileId::of(location)?);
    Ok(Opened {
        conn,
        location,
        file,
        _in_use: fork_guard,
    })
}
