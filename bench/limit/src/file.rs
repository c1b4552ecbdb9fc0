//! Stores tasks in plain SQLite, with the fastest schema that we found: integer keys in commit order, and one index
//! that holds only due tasks.

use std::path::Path;

use bench_harness::{Level, Result};
use rusqlite::{Connection, Params, params};

use crate::store::{Claim, Row, Store};

const SCHEMA: &str = "
    CREATE TABLE task (
        id INTEGER PRIMARY KEY, name INTEGER NOT NULL, status INTEGER NOT NULL, priority INTEGER NOT NULL,
        eta INTEGER NOT NULL, payload BLOB NOT NULL, result BLOB
    ) STRICT;
    CREATE INDEX ready ON task (name, priority DESC, eta) WHERE status = 0;
";
const OURS: i64 = 1;
const FOREIGN: i64 = 2;
const READY: i64 = 0;
const FUTURE: i64 = 3;

pub struct File {
    conn: Connection,
    last_id: i64,
}

impl File {
    pub fn create(path: &Path, level: Level) -> Result<Self> {
        let conn = Connection::open(path)?;
        let (name, number) = match level {
            Level::Full => ("FULL", 2),
            Level::Normal => ("NORMAL", 1),
        };
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", name)?;
        let found: i64 = conn.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        assert_eq!(found, number, "SQLite ignores a misspelt pragma");
        conn.execute_batch(SCHEMA)?;
        Ok(Self { conn, last_id: 0 })
    }

    fn run(&self, sql: &str, params: impl Params) {
        self.conn
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .expect("the statement is valid and the disk works");
    }
}

impl Store for File {
    fn begin(&mut self) {
        self.run("BEGIN IMMEDIATE", []);
    }

    fn insert(&mut self, row: Row) {
        self.last_id += 1;
        let name = if row.foreign { FOREIGN } else { OURS };
        let (status, priority) = if row.future { (FUTURE, 9) } else { (READY, 0) };
        let sql = "INSERT INTO task (id, name, status, priority, eta, payload) VALUES (?1, ?2, ?3, ?4, ?1, ?5)";
        self.run(
            sql,
            params![self.last_id, name, status, priority, row.payload],
        );
    }

    fn settle(&mut self, id: i64) {
        let sql = "UPDATE task SET status = 2, result = x'6e756c6c' WHERE id = ?1 AND status = 1";
        self.run(sql, [id]);
    }

    fn claim(&mut self, wanted: usize) -> Vec<Claim> {
        let sql = "SELECT id FROM task WHERE status = 0 AND name = 1 ORDER BY priority DESC, eta LIMIT ?1";
        let mut ready = self.conn.prepare_cached(sql).expect("the query is valid");
        let ids: rusqlite::Result<Vec<i64>> = ready
            .query_map([wanted as i64], |row| row.get(0))
            .and_then(Iterator::collect);
        let sql = "UPDATE task SET status = 1 WHERE id = ?1 AND status = 0 RETURNING payload";
        let mut take = self
            .conn
            .prepare_cached(sql)
            .expect("the statement is valid");
        let mut take = |id| {
            let payload = take
                .query_row([id], |row| row.get(0))
                .expect("the task is still ready");
            Claim { id, payload }
        };
        ids.expect("the disk works")
            .into_iter()
            .map(&mut take)
            .collect()
    }

    fn commit(&mut self) {
        self.run("COMMIT", []);
    }

    fn succeeded(&mut self) -> u64 {
        let sql = "SELECT count(*) FROM task WHERE status = 2";
        let count: i64 = self
            .conn
            .query_row(sql, [], |row| row.get(0))
            .expect("the count can be read");
        count as u64
    }
}
