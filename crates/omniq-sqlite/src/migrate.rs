//! Brings the schema to this build's version. Numbered migrations are applied in order and never change.

use omniq_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::trouble::{Place, explain};

const MIGRATIONS: [&str; 1] = [include_str!("sql/migrations/0001_first.sql")];

/// The version of a database: 0 where OmniQ has no tables in it. An error for a file that is no database
/// or that a newer OmniQ wrote. Changes nothing.
pub(crate) fn version(conn: &Connection, place: &Place) -> Result<usize> {
    let version = read_version(conn)
        .map_err(|e| explain(place.path(), "can't be read as an OmniQ database", &e))?;
    if version > MIGRATIONS.len() {
        let text = format!(
            "the database {} has schema {version}, but this build of OmniQ knows up to {}: use the newer \
             OmniQ that wrote it, or another database",
            place.path().display(),
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

/// An error if the tables are not all there.
pub(crate) fn check_complete(conn: &Connection, place: &Place) -> Result<()> {
    if version(conn, place)? == MIGRATIONS.len() {
        return Ok(());
    }
    let text = format!(
        "the database {} lost its OmniQ tables while it was open: put the file back, or open it anew",
        place.path().display()
    );
    Err(Error::new(ErrorKind::Storage, text).retryable())
}

/// Applies what is missing, all of it or nothing; two processes may try at once.
pub(crate) fn migrate(conn: &mut Connection, place: &Place) -> Result<()> {
    let failed = |e: rusqlite::Error| explain(place.path(), "can't set up its tables", &e);
    if version(conn, place)? == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = conn
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    transaction
        .execute(include_str!("sql/schema_table.sql"), [])
        .map_err(failed)?;
    let from = version(&transaction, place)?;
    for (at, sql) in MIGRATIONS.iter().enumerate().skip(from) {
        transaction.execute_batch(sql).map_err(failed)?;
        let number = at as i64 + 1;
        let sql = "INSERT INTO omniq_schema (version) VALUES (?1)";
        transaction.execute(sql, [number]).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}
