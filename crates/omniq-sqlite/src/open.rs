//! Opens connections: looks first, changes afterwards.

use std::path::Path;

use omniq_core::{CoreSettings, Result};
use rusqlite::{Connection, OpenFlags};

use crate::trouble::{Place, explain};
use crate::{migrate, pragmas};

/// More than the number of our statements, so that none is prepared twice.
const STATEMENTS: usize = 64;

/// The connection that writes, to a database that is set up, and made where it is missing.
pub(crate) fn writer(place: &Place, settings: &CoreSettings) -> Result<Connection> {
    set_up(place, settings, OpenFlags::SQLITE_OPEN_CREATE)
}

/// The connection that writes, once more. A database that is gone is an error: in a new one, nobody would
/// find what was acknowledged.
pub(crate) fn writer_again(place: &Place, settings: &CoreSettings) -> Result<Connection> {
    set_up(place, settings, OpenFlags::empty())
}

fn set_up(place: &Place, settings: &CoreSettings, or_make: OpenFlags) -> Result<Connection> {
    let mut conn = connect(place, OpenFlags::SQLITE_OPEN_READ_WRITE | or_make)?;
    migrate::version(&conn, place)?;
    pragmas::writer(&conn, place, settings.durability)?;
    migrate::migrate(&mut conn, place)?;
    Ok(conn)
}

/// A connection that only looks, to a database that the writer has set up.
pub(crate) fn reader(place: &Place) -> Result<Connection> {
    let conn = connect(place, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    pragmas::reader(&conn, place)?;
    Ok(conn)
}

fn connect(place: &Place, flags: OpenFlags) -> Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = match place {
        // SQLite would read a relative path that begins with `file:` as a URI.
        Place::File(path) if path.starts_with("file:") => {
            Connection::open_with_flags(Path::new(".").join(path), flags)
        }
        Place::File(path) => Connection::open_with_flags(path, flags),
        Place::Memory => Connection::open_in_memory(),
    };
    let conn = conn.map_err(|e| explain(place.path(), "can't be opened", &e))?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(conn)
}
