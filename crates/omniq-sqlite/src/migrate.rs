//! Migrates the schema to this build's version. Numbered migrations are applied in order and never change.

use omniq_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::errors::explain;
use crate::location::Location;

const MIGRATIONS: [&str; 1] = [include_str!("sql/migrations/0001_first.sql")];

/// Returns the version of a database's schema: 0 if it has no tables of OmniQ. Changes nothing. Fails if the file is
/// not a database, or if a newer OmniQ wrote it.
pub(crate) fn version(conn: &Connection, location: &Location) -> Result<usize> {
    let version = read_version(conn)
        .map_err(|e| explain(location.path(), "can't be read as an OmniQ database", e))?;
    if version > MIGRATIONS.len() {
        let text = format!(
            "the database {} has schema {version}, but this build of OmniQ knows up to {}: use the newer \
             OmniQ that wrote it, or another database",
            location.path().display(),
            MIGRATIONS.len()
        );
        return Err(Error::new(ErrorKind::Storage, text));
    }
    Ok(version)
}

fn read_version(conn: &Connection) -> rusqlite::Result<usize> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'omniq_schema'";
    if conn.query_row(sql, [], |_| Ok(())).optional()?.is_none() {
        return Ok(0);
    }
    let sql = "SELECT coalesce(max(version), 0) FROM omniq_schema";
    let version: i64 = conn.query_row(sql, [], |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Fails if a table is missing.
pub(crate) fn check_complete(conn: &Connection, location: &Location) -> Result<()> {
    if version(conn, location)? == MIGRATIONS.len() {
        return Ok(());
    }
    let text = format!(
        "the database {} lost its OmniQ tables while it was open: put the file back, or open the storage again",
        location.path().display()
    );
    Err(Error::new(ErrorKind::Storage, text).retryable())
}

/// Applies the missing migrations atomically. Two processes may do so at the same time.
pub(crate) fn migrate(conn: &mut Connection, location: &Location) -> Result<()> {
    let failed = |e: rusqlite::Error| explain(location.path(), "can't set up its tables", e);
    if version(conn, location)? == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = conn
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    transaction
        .execute(include_str!("sql/create_schema_table.sql"), [])
        .map_err(failed)?;
    let from = version(&transaction, location)?;
    for (at, sql) in MIGRATIONS.iter().enumerate().skip(from) {
        transaction.execute_batch(sql).map_err(failed)?;
        let number = at as i64 + 1;
        let sql = "INSERT INTO omniq_schema (version) VALUES (?1)";
        transaction.execute(sql, [number]).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}
