//! What a row of a table is.

/// A program and its options, but for the number of tasks.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub contender: &'static str,
    pub args: String,
}

/// Two runs, in turn.
#[derive(Debug, Clone)]
pub struct Row {
    /// The table, by which `--only` chooses.
    pub table: &'static str,
    /// What both do.
    pub what: String,
    pub ours: Run,
    pub theirs: Option<Run>,
    /// Its preparation takes long, so a short run leaves it out.
    pub heavy: bool,
}

/// The tables, in order, with what they say above.
pub const TABLES: [(&str, &str); 8] = [
    ("w1", "W1: enqueue one at a time"),
    ("w2", "W2: enqueue 1,000 a call"),
    ("w3", "W3: process tasks that are there, to the last commit"),
    (
        "w4",
        "W4: an idle pool, from the call of enqueue to the start of the handler",
    ),
    ("w5", "W5: process 10 at a time while more is waiting"),
    (
        "files",
        "Files beside SQLite: a folder does the same with the same promises",
    ),
    (
        "growth",
        "What grows: queues, kept results, waiting callers, processes",
    ),
    ("day", "A day of enqueueing, processing and purging"),
];

impl Row {
    /// What its records are kept under.
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
