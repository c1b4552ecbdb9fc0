//! Tests that acknowledged tasks are on the disk, not only in the operating system's memory.

use rusqlite::Connection;
use tempfile::TempDir;

use crate::common::{TestDatabase, enqueue, numbers, task};
use crate::disk::Part;

/// Returns the tasks in the database after a power cut now, which leaves only what was flushed.
fn after_a_power_cut(db: &TestDatabase) -> Vec<u64> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("jobs.db");
    std::fs::write(&path, db.disk.flushed(Part::Main).unwrap()).unwrap();
    let wal = db.disk.flushed(Part::Wal).unwrap_or_default();
    std::fs::write(folder.path().join("jobs.db-wal"), wal).unwrap();
    let conn = crate::common::plain(&path);
    let check: String = conn
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
    numbers(&conn)
}

#[tokio::test]
async fn an_acknowledged_task_survives_a_power_cut() {
    let db = TestDatabase::new();
    let storage = db.open();
    for number in 0..40 {
        enqueue(&storage, task("a", number)).await.unwrap();
        let expected: Vec<_> = (0..=number).collect();
        assert_eq!(after_a_power_cut(&db), expected);
        if number % 10 == 5 {
            let conn = Connection::open(&db.path).unwrap();
            let sql = "PRAGMA wal_checkpoint(RESTART)";
            let busy: i64 = conn.query_row(sql, [], |row| row.get(0)).unwrap();
            assert_eq!(busy, 0);
            assert_eq!(after_a_power_cut(&db), expected);
        }
    }
}
