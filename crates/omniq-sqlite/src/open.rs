//! Opens connections. A database is checked before anything in it is changed.

use std::cell::Cell;
use std::ops::Deref;
use std::path::Path;

use omniq_core::{CoreSettings, Error, ErrorKind, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::companion_files::{CompanionFiles, Lost, has_wal, refuse_unshared};
use crate::errors::explain;
use crate::forked::ForkGuard;
use crate::immutable::immutable_uri;
use crate::location::Location;
use crate::replaced_file::{FileId, FileVersion};
use crate::{migrate, pragmas, read_only};

/// Larger than the number of our statements, so that none is prepared twice.
const STATEMENTS: usize = 64;

/// A connection, and the files that it has open.
pub(crate) struct Opened {
    conn: Connection,
    location: Location,
    file: FileId,
    version: Cell<FileVersion>,
    /// The version that is read without regard to other programs, if it is.
    immutable: Option<FileVersion>,
    /// Known once the connection has read.
    companions: Option<CompanionFiles>,
    /// Dropped after the connection.
    _in_use: ForkGuard,
}

/// A file that was removed or replaced while it was open.
#[derive(Debug)]
pub(crate) enum LostFile {
    /// The database itself.
    Main(Error),
    /// Its `-wal` or its `-shm`.
    Companion(Lost),
    /// A file that was taken for unchangeable has changed.
    Changed(Error),
}

impl LostFile {
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Main(error) | Self::Changed(error) => error,
            Self::Companion(lost) => lost.error,
        }
    }
}

impl Opened {
    fn new(conn: Connection, location: &Location, in_use: ForkGuard) -> Result<Self> {
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self {
            conn,
            location: location.clone(),
            file: FileId::of(location)?,
            version: Cell::default(),
            immutable: None,
            companions: None,
            _in_use: in_use,
        })
    }

    /// Fails if a file was removed or replaced.
    pub(crate) fn check(&self) -> Result<(), LostFile> {
        let version = self.file.check(&self.location).map_err(LostFile::Main)?;
        self.version.set(version);
        if let Some(opened) = self.immutable
            && (opened != version || has_wal(self.location.path()))
        {
            return Err(LostFile::Changed(read_only::changed(self.location.path())));
        }
        match &self.companions {
            Some(files) => files.check_soon().map_err(LostFile::Companion),
            None => Ok(()),
        }
    }

    /// Returns the id of the database's file.
    pub(crate) fn file(&self) -> FileId {
        self.file
    }

    /// Returns the version of the database's file at the last check.
    pub(crate) fn version(&self) -> FileVersion {
        self.version.get()
    }

    /// Returns the `-wal` and the `-shm` that are open.
    pub(crate) fn companions(&self) -> Option<&CompanionFiles> {
        self.companions.as_ref()
    }

    /// Returns the length of the `-wal` in bytes at the last check.
    pub(crate) fn wal_length(&self) -> u64 {
        self.companions
            .as_ref()
            .map_or(0, CompanionFiles::wal_length)
    }

    /// Reads the length of the `-wal` in bytes.
    pub(crate) fn read_wal_length(&self) -> u64 {
        self.companions
            .as_ref()
            .map_or(0, CompanionFiles::read_wal_length)
    }

    /// Makes the close of this connection leave the database and the `-wal` unchanged, or undoes that.
    pub(crate) fn leave_files_at_close(&self, leave: bool) {
        let set = self
            .conn
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave);
        if let Err(error) = set {
            tracing::warn!(%error, "the close of a database can't be configured");
        }
    }

    /// Remembers the `-wal` and the `-shm`, and checks that they belong together. The connection has read before.
    fn with_companions(mut self) -> Result<Self> {
        self.companions = CompanionFiles::of(&self.location)?;
        if self.companions.is_some() {
            pragmas::check_wal(&self.conn, &self.location, || self.read_wal_length())?;
        }
        Ok(self)
    }
}

impl Drop for Opened {
    /// The last connection that closes writes the `-wal` into the database and removes it by its name, which must not
    /// be done to a `-wal` that another program uses.
    fn drop(&mut self) {
        let lost = self.companions.as_ref().map(CompanionFiles::check);
        if matches!(lost, Some(Err(lost)) if !lost.only_removed) {
            self.leave_files_at_close(true);
        }
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
    opened.with_companions()
}

/// Opens the connection that writes again. Fails if the database is missing or another one than the `original`, which
/// would not contain the tasks that were acknowledged.
pub(crate) fn reopen_writer(
    location: &Location,
    settings: &CoreSettings,
    original: FileId,
) -> Result<Opened> {
    original.check(location)?;
    let opened = open_writer(location, settings, OpenFlags::empty())?;
    original.check(location)?;
    migrate::check_complete(&opened, location)?;
    opened.with_companions()
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

/// Opens a connection that only reads, to the `original` file that the writer has set up.
pub(crate) fn reader(location: &Location, original: FileId) -> Result<Opened> {
    original.check(location)?;
    let opened = match location {
        Location::ReadOnly(_) => read_only(location)?,
        _ => shared_reader(location)?,
    };
    original.check(location)?;
    Ok(opened)
}

fn shared_reader(location: &Location) -> Result<Opened> {
    let opened = connect(location, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    pragmas::reader(&opened, location)?;
    migrate::check_complete(&opened, location)?;
    opened.with_companions()
}

/// Opens a database that can't be written. If SQLite can't create the files that it needs beside it, the file is read
/// alone. Then nothing may be missing in it, and nobody may write it during a query.
pub(crate) fn read_only(location: &Location) -> Result<Opened> {
    let shared = shared_reader(location);
    let Err(error) = shared else { return shared };
    if !read_only::is_refused_write(&error) {
        return Err(error);
    }
    if has_wal(location.path()) {
        return Err(read_only::needs_wal(location.path(), error));
    }
    let Some(uri) = immutable_uri(location.path()) else {
        return Err(error);
    };
    let fork_guard = ForkGuard::enter()?;
    let version = FileId::of(location)?.check(location)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(uri, flags)
        .map_err(|e| explain(location.path(), "can't be opened", e))?;
    let mut opened = Opened::new(conn, location, fork_guard)?;
    opened.immutable = Some(version);
    pragmas::reader(&opened, location)?;
    migrate::check_complete(&opened, location)?;
    Ok(opened)
}

fn connect(location: &Location, flags: OpenFlags) -> Result<Opened> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let fork_guard = ForkGuard::enter()?;
    refuse_unshared(location)?;
    let conn = match location {
        Location::File(path) | Location::ReadOnly(path) if path.is_dir() => {
            let text = format!("the database {} is a folder: name a file", path.display());
            return Err(Error::new(ErrorKind::Storage, text));
        }
        // SQLite would read a relative path that begins with `file:` as a URI.
        Location::File(path) | Location::ReadOnly(path)
            if path.as_os_str().as_encoded_bytes().starts_with(b"file:") =>
        {
            Connection::open_with_flags(Path::new(".").join(path), flags)
        }
        Location::File(path) | Location::ReadOnly(path) => Connection::open_with_flags(path, flags),
        Location::Memory => Connection::open_in_memory(),
    };
    let conn = conn.map_err(|e| match FileId::of(location) {
        // Only the first opening may create the file, so in a later one it has been removed.
        Err(removed) if !flags.contains(OpenFlags::SQLITE_OPEN_CREATE) => removed,
        _ => explain(location.path(), "can't be opened", e),
    })?;
    Opened::new(conn, location, fork_guard)
}
