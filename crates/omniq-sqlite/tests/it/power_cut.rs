//! What was acknowledged is on the disk, not only in the system's memory.

use rusqlite::Connection;
use tempfile::TempDir;

use crate::common::{Place, enqueue, numbers, task};
use crate::disk::Part;

/// The database as a power cut now would leave it: nothing but what was flushed.
fn after_a_power_cut(place: &Place) -> Vec<u64> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("jobs.db");
    std::fs::write(&path, place.disk.flushed(Part::Main).unwrap()).unwrap();
    let wal = place.disk.flushed(Part::Wal).unwrap_or_default();
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
    let place = Place::new();
    let storage = place.open();
    for number in 0..40 {
        enqueue(&storage, task("a", number)).await.unwrap();
        let expected: Vec<_> = (0..=number).collect();
        assert_eq!(after_a_power_cut(&place), expected);
        if number % 10 == 5 {
            let conn = Connection::open(&place.path).unwrap();
            let sql = "PRAGMA wal_checkpoint(RESTART)";
            let busy: i64 = conn.query_row(sql, [], |row| row.get(0)).unwrap();
            assert_eq!(busy, 0);
            assert_eq!(after_a_power_cut(&place), expected);
        }
    }
}
