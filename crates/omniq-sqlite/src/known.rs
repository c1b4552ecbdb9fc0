//! What the writer remembers of the database.

use rusqlite::Connection;

use crate::ids::HighWater;
use crate::lanes::Lanes;
use crate::trouble::Failure;

/// What is remembered of the database. It is forgotten when another process or a rollback changes it.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) lanes: Option<Lanes>,
    pub(crate) high_water: HighWater,
    pub(crate) version: Option<i64>,
}

impl Known {
    /// Under the write lock: forgets what others may have changed. Says whether others wrote.
    pub(crate) fn refresh(&mut self, conn: &Connection) -> Result<bool, Failure> {
        let version = data_version(conn)?;
        if self.version == Some(version) {
            return Ok(false);
        }
        let lanes = Lanes::load(conn)?;
        *self = Self {
            lanes: Some(lanes),
            high_water: HighWater::default(),
            version: Some(version),
        };
        Ok(true)
    }
}

/// A number that changes when another connection has changed the database.
pub(crate) fn data_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))
}
