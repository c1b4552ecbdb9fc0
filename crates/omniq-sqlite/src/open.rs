//! Opens connections: looks first, changes afterwards.

use std::ops::Deref;
use std::path::Path;

use omniq_core::{CoreSettings, Error, ErrorKind, Result};
use rusqlite::{Connection, OpenFlags};

use crate::forked::InUse;
use crate::in_place::FileId;
use crate::trouble::{Place, explain};
use crate::{migrate, pragmas};

/// More than the number of our statements, so that none is prepared twice.
const STATEMENTS: usize = 64;

/// A connection, and the file that it is to.
pub(crate) struct Opened {
    conn: Connection,
    place: Place,
    file: FileId,
    /// Dropped after the connection.
    _in_use: InUse,
}

impl Opened {
    /// An error if its file is not at its place any more.
    pub(crate) fn check(&self) -> Result<()> {
        self.file.check(&self.place)
    }
}

impl Deref for Opened {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.conn
    }
}

/// The connection that writes, to a database that is set up, and made where it is missing.
pub(crate) fn writer(place: &Place, settings: &CoreSettings) -> Result<Opened> {
    let mut opened = to_write(place, settings, OpenFlags::SQLITE_OPEN_CREATE)?;
    migrate::migrate(&mut opened.conn, place)?;
    Ok(opened)
}

/// The connection that writes, once more. A database that is gone is an error: in a new one, nobody would
/// find what was acknowledged.
pub(crate) fn writer_again(place: &Place, settings: &CoreSettings) -> Result<Opened> {
    let opened = to_write(place, settings, OpenFlags::empty())?;
    migrate::check_complete(&opened, place)?;
    Ok(opened)
}

fn to_write(place: &Place, settings: &CoreSettings, or_make: OpenFlags) -> Result<Opened> {
    let opened = connect(place, OpenFlags::SQLITE_OPEN_READ_WRITE | or_make)?;
    migrate::version(&opened, place)?;
    pragmas::writer(&opened, place, settings.durability)?;
    Ok(opened)
}

/// A connection that only looks, to a database that the writer has set up.
pub(crate) fn reader(place: &Place) -> Result<Opened> {
    let opened = connect(place, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    pragmas::reader(&opened, place)?;
    Ok(opened)
}

fn connect(place: &Place, flags: OpenFlags) -> Result<Opened> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let in_use = InUse::enter()?;
    let conn = match place {
        Place::File(path) if path.is_dir() => {
            let text = format!("the database {} is a folder: name a file", path.display());
            return Err(Error::new(ErrorKind::Storage, text));
        }
        // SQLite would read a relative path that begins with `file:` as a URI.
        Place::File(path) if path.as_os_str().as_encoded_bytes().starts_with(b"file:") => {
            Connection::open_with_flags(Path::new(".").join(path), flags)
        }
        Place::File(path) => Connection::open_with_flags(path, flags),
        Place::Memory => Connection::open_in_memory(),
    };
    let conn = conn.map_err(|e| match FileId::of(place) {
        // Without leave to make one, a file that is missing was there before.
        Err(gone) if !flags.contains(OpenFlags::SQLITE_OPEN_CREATE) => gone,
        _ => explain(place.path(), "can't be opened", &e),
    })?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    let (place, file) = (place.clone(), FileId::of(place)?);
    Ok(Opened {
        conn,
        place,
        file,
        _in_use: in_use,
    })
}
