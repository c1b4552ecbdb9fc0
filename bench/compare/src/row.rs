//! Defines the rows and the tables.

/// A program and its options, without the number of tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub contender: &'static str,
    pub args: String,
}

/// Two programs that run in turn.
#[derive(Debug, Clone)]
pub struct Row {
    /// The name of the table, which `--only` selects.
    pub table: &'static str,
    /// The description of the row.
    pub what: String,
    pub ours: Run,
    pub theirs: Option<Run>,
    /// The preparation of this row takes long, so a short comparison skips it.
    pub heavy: bool,
}

/// The names and headings of the tables, in order.
pub const TABLES: [(&str, &str); 8] = [
    ("w1", "W1: enqueue one task per call"),
    ("w2", "W2: enqueue 1,000 tasks per call"),
    ("w3", "W3: process stored tasks until the last commit"),
    (
        "w4",
        "W4: idle pool, from the enqueue call to the start of the handler",
    ),
    (
        "w5",
        "W5: process 10 tasks at a time while more are waiting",
    ),
    (
        "files",
        "Files compared with SQLite, at the same guarantees",
    ),
    (
        "growth",
        "Growth: queues, kept results, waiting callers, processes",
    ),
    ("day", "A day of enqueueing, processing and purging"),
];

impl Row {
    /// Returns the key of the records of this row. It does not depend on the description.
    pub fn id(&self) -> String {
        let theirs = self.theirs.as_ref().map(Run::text).unwrap_or_default();
        format!("{} | {} | {theirs}", self.table, self.ours.text())
    }
}

impl Run {
    pub fn text(&self) -> String {
        format!("{} {}", self.contender, self.args)
    }
}
