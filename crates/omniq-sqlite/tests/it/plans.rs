//! Pins the query plans of statements that run for every task: they use an index, whatever the size.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::common::TestDatabase;
use crate::statements::statement;

/// Inserts rows of every status, and collects statistics of them.
const MANY: &str = "
    INSERT INTO omniq_lane (id, queue, name, format)
        SELECT value, 'default', 'name' || value, 0 FROM generate_series(1, 50);
    INSERT INTO omniq_task (id, lane, status, due, priority, eta, series_id, unique_name, unique_key,
            lease, owner, payload, enqueued_at, finished_at)
        SELECT value, value % 50 + 1, value % 5, value % 2, value % 7, value, iif(value % 5 < 2, value, 1),
            'name', value, 1, iif(value % 5 = 1, 1, NULL), x'00', value, iif(value % 5 < 2, NULL, value)
        FROM generate_series(1, 20000);
    INSERT INTO omniq_error (task, lease, error)
        SELECT value, 1, '{}' FROM generate_series(1, 2000);
    ANALYZE";

fn database(many: bool) -> (TestDatabase, Connection) {
    let db = TestDatabase::new();
    drop(db.open());
    let conn = db.plain();
    if many {
        let series = "(WITH RECURSIVE c(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM c
            WHERE value < ?) SELECT value FROM c)";
        let mut sql = MANY.to_owned();
        for count in ["50", "20000", "2000"] {
            let call = format!("generate_series(1, {count})");
            sql = sql.replace(&call, &series.replace('?', count));
        }
        conn.execute_batch(&sql).unwrap();
    }
    (db, conn)
}

/// Returns the steps of a statement's plan. If there are statistics, SQLite may also consider the values.
fn plan(conn: &Connection, name: &str, values: &[i64]) -> Vec<String> {
    let sql = format!("EXPLAIN QUERY PLAN {}", statement(name));
    let values = values.iter().copied().map(Value::Integer);
    let mut plan = conn.prepare(&sql).unwrap();
    let steps = plan.query_map(params_from_iter(values), |row| row.get(3));
    steps.unwrap().map(Result::unwrap).collect()
}

const BY_ID: &str = "SEARCH main.omniq_task USING INTEGER PRIMARY KEY (rowid=?)";

/// The statement, values to bind, and the step that must be in its plan.
const EXPECTED: [(&str, &[i64], &str); 22] = [
    ("ready.sql", &[3, 1], "omniq_task_ready (lane=?)"),
    ("next_waiting.sql", &[3], "omniq_task_waiting (lane=?)"),
    (
        "mark_due.sql",
        &[3, 9_000, 10],
        "omniq_task_waiting (lane=? AND eta<?)",
    ),
    ("claim.sql", &[100, 1, 9_000, 1], BY_ID),
    ("settle.sql", &[100, 1, 1, 2, 1, 0, 5, 5, 0, 0, 1], BY_ID),
    ("status_and_lease.sql", &[100], BY_ID),
    ("unique_keys_of_task.sql", &[100], BY_ID),
    ("get.sql", &[100], BY_ID),
    (
        "get_many.sql",
        &[100],
        "SEARCH t USING INTEGER PRIMARY KEY (rowid=?)",
    ),
    ("finished_or_unknown.sql", &[100], BY_ID),
    ("delete_task.sql", &[100], BY_ID),
    ("renew.sql", &[100, 1, 1], BY_ID),
    ("record_progress.sql", &[100, 1, 1, 0, 5], BY_ID),
    ("status_if_held.sql", &[100, 1], BY_ID),
    (
        "key_holder.sql",
        &[1, 1],
        "omniq_task_unique (unique_name=? AND unique_key=?)",
    ),
    ("series_member.sql", &[1], "omniq_task_series (series_id=?)"),
    (
        "purgeable.sql",
        &[2, 9_000, 10],
        "omniq_task_finished (status=? AND finished_at>? AND finished_at<?)",
    ),
    (
        "errors.sql",
        &[100],
        "SEARCH main.omniq_error USING PRIMARY KEY (task=?)",
    ),
    (
        "delete_errors.sql",
        &[100],
        "SEARCH main.omniq_error USING PRIMARY KEY (task=?)",
    ),
    (
        "trim_errors.sql",
        &[100, 20],
        "SEARCH main.omniq_error USING PRIMARY KEY (task=? AND lease<?)",
    ),
    ("held_leases.sql", &[], "omniq_task_held (owner>?)"),
    (
        "raise_high_water.sql",
        &[5],
        "SEARCH main.omniq_high_water USING INTEGER PRIMARY KEY (rowid=?)",
    ),
];

#[test]
fn hot_statements_go_by_their_index() {
    for many in [false, true] {
        let (_place, conn) = database(many);
        for (name, values, expected) in EXPECTED {
            let plan = plan(&conn, name, values);
            let found = plan.iter().any(|step| step.ends_with(expected));
            assert!(
                found,
                "{name}, many rows: {many}: {expected:?} is missing in {plan:#?}"
            );
            // A list that is a parameter is scanned.
            let slow = |step: &String| {
                step.contains("TEMP B-TREE")
                    || step.contains("SCAN") && !step.contains("VIRTUAL TABLE")
            };
            assert!(
                !plan.iter().any(slow),
                "{name}, many rows: {many}: {plan:#?}"
            );
        }
    }
}
