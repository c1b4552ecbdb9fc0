//! Remembers the lanes, by name and by number. A lane is never changed or deleted.

use std::collections::{BTreeMap, HashMap};

use omniq_core::{Error, ErrorKind, Format};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::errors::Failure;

#[derive(Default)]
pub(crate) struct Lanes {
    by_number: BTreeMap<i64, Lane>,
    last: i64,
    by_name: HashMap<String, HashMap<String, Vec<(Format, i64)>>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub(crate) queue: String,
    pub(crate) name: String,
    pub(crate) format: Format,
}

impl Lanes {
    /// Reads all lanes. A lane that can't be read, or whose format this build does not know, is ignored together
    /// with its tasks.
    pub(crate) fn load(conn: &Connection) -> Result<Self, Failure> {
        let mut lanes = Self::default();
        let mut statement = conn.prepare_cached(include_str!("sql/lanes.sql"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let number = row.get(0)?;
            lanes.last = lanes.last.max(number);
            match lane(row) {
                Ok(lane) => lanes.add(number, lane),
                Err(Failure::Refused(error)) => {
                    tracing::warn!(lane = number, error = %error.chain(), "a lane is ignored");
                }
                Err(other) => return Err(other),
            }
        }
        Ok(lanes)
    }

    /// Reads all lanes again if there are new ones.
    pub(crate) fn refresh(&mut self, conn: &Connection) -> Result<(), Failure> {
        let mut statement = conn.prepare_cached(include_str!("sql/last_lane.sql"))?;
        let last: Option<i64> = statement.query_row([], |row| row.get(0))?;
        if last.is_some_and(|last| last > self.last) {
            *self = Self::load(conn)?;
        }
        Ok(())
    }

    fn add(&mut self, number: i64, lane: Lane) {
        let by_name = self.by_name.entry(lane.queue.clone()).or_default();
        by_name
            .entry(lane.name.clone())
            .or_default()
            .push((lane.format, number));
        self.by_number.insert(number, lane);
    }

    /// Returns a lane's number, from memory if possible, otherwise from the database. A new lane is written.
    pub(crate) fn number(
        &mut self,
        conn: &Connection,
        queue: &str,
        name: &str,
        format: Format,
    ) -> Result<i64, Failure> {
        let known = self.by_name.get(queue).and_then(|names| names.get(name));
        let known = known.and_then(|lanes| lanes.iter().find(|(f, _)| *f == format));
        if let Some((_, number)) = known {
            return Ok(*number);
        }
        let row = params![queue, name, format.code()];
        let mut find = conn.prepare_cached(include_str!("sql/find_lane.sql"))?;
        let number = match find.query_row(row, |row| row.get(0)).optional()? {
            Some(number) => number,
            None => conn
                .prepare_cached(include_str!("sql/add_lane.sql"))?
                .query_row(row, |row| row.get(0))?,
        };
        self.add(
            number,
            Lane {
                queue: queue.to_owned(),
                name: name.to_owned(),
                format,
            },
        );
        Ok(number)
    }

    /// Returns the lane with this number.
    pub(crate) fn get(&self, number: i64) -> Option<&Lane> {
        self.by_number.get(&number)
    }

    /// Returns the lanes with a larger number than this.
    pub(crate) fn after(&self, number: i64) -> impl Iterator<Item = (i64, &Lane)> {
        self.by_number
            .range(number + 1..)
            .map(|(number, lane)| (*number, lane))
    }
}

fn lane(row: &Row<'_>) -> Result<Lane, Failure> {
    let code: u8 = row.get(3)?;
    let format = Format::from_code(code).ok_or_else(|| {
        let text = format!("the format {code} is unknown: a newer OmniQ may know it");
        Error::new(ErrorKind::Storage, text)
    })?;
    Ok(Lane {
        queue: row.get(1)?,
        name: row.get(2)?,
        format,
    })
}
