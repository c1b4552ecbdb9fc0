//! Sets how SQLite writes, and reads each setting back, because SQLite ignores a misspelt pragma silently.

use std::path::Path;
use std::time::{Duration, Instant};

use omniq_core::{Durability, Error, ErrorKind, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};

use crate::errors::explain;
use crate::location::Location;

/// How long a connection waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes query plans independent of the values that are bound, for every connection. Otherwise, SQLite compiles
/// the statements that use a partial index again for each execution, which takes ten times as long as executing
/// them.
fn stable_plans(conn: &Connection, path: &Path) -> Result<()> {
    let set = conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true);
    set.map(drop)
        .map_err(|e| explain(path, "can't make query plans stable", e))
}

/// Configures the connection that writes.
pub(crate) fn writer(conn: &Connection, location: &Location, durability: Durability) -> Result<()> {
    let path = location.path();
    set_busy_handler(conn, path)?;
    stable_plans(conn, path)?;
    let journal = match location {
        Location::File(_) => "wal",
        Location::Memory => "memory",
    };
    let level = match durability {
        Durability::Normal => "1",
        // `Full`. A level that is unknown here is treated as the safest one.
        _ => "2",
    };
    set(conn, path, "journal_mode", journal, journal)?;
    set(conn, path, "synchronous", level, level)?;
    if cfg!(target_os = "macos") {
        set(conn, path, "fullfsync", "1", "1")?;
        set(conn, path, "checkpoint_fullfsync", "1", "1")?;
    }
    set(conn, path, "temp_store", "2", "2")?;
    // Our statements do not rely on recursive triggers.
    set(conn, path, "recursive_triggers", "0", "0")
}

/// Configures a connection that only reads.
pub(crate) fn reader(conn: &Connection, location: &Location) -> Result<()> {
    set_busy_handler(conn, location.path())?;
    stable_plans(conn, location.path())?;
    set(conn, location.path(), "query_only", "1", "1")
}

fn set(conn: &Connection, path: &Path, name: &str, value: &str, expected: &str) -> Result<()> {
    let refused = |e: rusqlite::Error| explain(path, &format!("can't set {name}"), e);
    let ignore = |_: &rusqlite::Row<'_>| Ok(());
    let update = || match conn.pragma_update_and_check(None, name, value, ignore) {
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(()),
        other => other,
    };
    retry_while_busy(update).map_err(refused)?;
    let found: rusqlite::types::Value = conn
        .pragma_query_value(None, name, |row| row.get(0))
        .map_err(refused)?;
    let found = match found {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => format!("{other:?}"),
    };
    if found == expected {
        return Ok(());
    }
    let text = format!(
        "the database {}: {name} is {found:?} although {expected:?} was asked for: use a local disk, and a \
         database that no other program keeps in another mode",
        path.display()
    );
    Err(Error::new(ErrorKind::Storage, text))
}

/// Retries while the database is busy, in cases where SQLite does not call the busy handler: two connections that
/// change the journal mode of a new database at the same time block each other, so one has to give up and retry.
fn retry_while_busy(mut attempt: impl FnMut() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    let started = Instant::now();
    loop {
        match attempt() {
            Err(e) if is_busy(&e) && started.elapsed() < BUSY_TIMEOUT => {
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

/// Waits for locks in constant steps, so that a connection that has waited for long has the same chance as a
/// newcomer. SQLite's own steps grow up to 100 ms.
fn set_busy_handler(conn: &Connection, path: &Path) -> Result<()> {
    const STEP: u64 = 1_000;
    const TRIES: u64 = BUSY_TIMEOUT.as_micros() as u64 / STEP;
    fn wait(tries: i32) -> bool {
        // Jitter, so that connections that collided do not collide again.
        let step = fastrand::u64(STEP / 2..STEP * 3 / 2);
        std::thread::sleep(Duration::from_micros(step));
        u64::from(tries.unsigned_abs()) < TRIES
    }
    conn.busy_handler(Some(wait))
        .map_err(|e| explain(path, "can't set the busy handler", e))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use omniq_core::CoreSettings;
    use rusqlite::{StatementStatus, params_from_iter};

    use crate::location::Location;
    use crate::open;

    /// The result of each statement does not matter here, nor whether it succeeds.
    #[test]
    fn no_statement_is_compiled_again_for_other_values() {
        let settings = CoreSettings::default();
        let conn = open::writer(&Location::Memory, &settings).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sql");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let Ok(sql) = std::fs::read_to_string(&path) else {
                continue;
            };
            let mut statement = conn.prepare(&sql).unwrap();
            for round in 1..=3 {
                let values = vec![round; statement.parameter_count()];
                let mut rows = statement.query(params_from_iter(values)).unwrap();
                let _ = rows.next();
            }
            let again = statement.get_status(StatementStatus::RePrepare);
            assert_eq!(again, 0, "{}", path.display());
            seen += 1;
        }
        assert!(seen > 20, "{seen}");
    }
}
