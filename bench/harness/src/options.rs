//! The command line, which is the same for every contender. A contender refuses options that it does not support.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

/// Runs one workload once, and prints one JSON object as the last line.
#[derive(Parser, Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    #[arg(long, value_enum)]
    pub workload: Workload,
    /// The number of measured tasks [default: 100000; w4: 1000; w5: 10000; day: 240000].
    #[arg(long)]
    pub n: Option<usize>,
    /// W1, W2: the number of concurrent producers.
    #[arg(long, default_value_t = 1)]
    pub producers: usize,
    /// W3 to W5: the number of concurrent handlers.
    #[arg(long, default_value_t = 10)]
    pub concurrency: usize,
    /// W3 to W5: the number of tasks that are claimed ahead of free seats [default: that of the contender].
    #[arg(long)]
    pub prefetch: Option<usize>,
    /// The durability of a commit.
    #[arg(long, value_enum, default_value_t = Level::Full)]
    pub durability: Level,
    #[arg(long, value_enum, default_value_t = StorageKind::Sqlite)]
    pub storage: StorageKind,
    /// Keeps the default settings of another queue that the benchmark changes otherwise; comments in its source name
    /// them.
    #[arg(long)]
    pub as_shipped: bool,
    /// Extra bytes in each task's arguments.
    #[arg(long, default_value_t = 0)]
    pub payload: usize,

    /// W5: the number of due tasks that are still waiting when the last measured task starts.
    #[arg(long, default_value_t = 0)]
    pub backlog: usize,
    /// The number of additional tasks of a higher priority that are due in a day.
    #[arg(long, default_value_t = 0)]
    pub future: usize,
    /// The number of additional due tasks with a name for which the pool has no handler. They are enqueued before the
    /// others.
    #[arg(long, default_value_t = 0)]
    pub foreign: usize,
    /// The number of finished tasks in the file.
    #[arg(long, default_value_t = 0)]
    pub finished: usize,
    /// Spreads the tasks over this many queues.
    #[arg(long, default_value_t = 0)]
    pub queues: usize,
    /// The number of callers that wait for the results of tasks that never run.
    #[arg(long, default_value_t = 0)]
    pub waits: usize,
    /// W3: the number of worker processes on one file.
    #[arg(long, default_value_t = 1)]
    pub processes: usize,
    /// W4: runs the handlers in another process.
    #[arg(long)]
    pub across: bool,
    /// W4 of the raw limit: claims in a commit of its own, after the commit of the enqueue.
    #[arg(long)]
    pub own_commit: bool,

    /// Creates the database in a new folder below this one, and removes it at the end.
    #[arg(long, default_value = ".")]
    #[serde(skip)]
    pub dir: PathBuf,
    /// Prints only the line of JSON.
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
    /// The folder of the parent's database; set for the worker processes that a run starts.
    #[arg(long, hide = true)]
    #[serde(skip)]
    pub child_of: Option<PathBuf>,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Enqueue one task per call, from --producers concurrent producers.
    W1,
    /// Enqueue 1,000 tasks per call.
    W2,
    /// Process stored tasks until the last commit.
    W3,
    /// Idle pool: the time from the enqueue call to the start of the handler.
    W4,
    /// Process some tasks while many more are waiting: see --backlog, --future, --foreign.
    W5,
    /// A day of enqueueing, processing and purging, on a simulated clock (OmniQ only).
    Day,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A commit survives a power cut.
    Full,
    /// A commit survives the death of the process.
    Normal,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageKind {
    Sqlite,
    /// A folder of files.
    File,
    /// In memory, without persistence.
    Memory,
}

impl Options {
    /// Parses the arguments of this program.
    pub fn read() -> Self {
        let mut options = Self::parse();
        options.n.get_or_insert(match options.workload {
            Workload::W1 | Workload::W2 | Workload::W3 => 100_000,
            Workload::W4 => 1_000,
            Workload::W5 => 10_000,
            Workload::Day => 240_000,
        });
        options
    }

    /// The number of measured tasks.
    pub fn n(&self) -> usize {
        self.n.unwrap_or_default()
    }

    /// Creates a folder for the database. It is removed when the value is dropped.
    pub fn folder(&self) -> std::io::Result<tempfile::TempDir> {
        let dir = std::path::absolute(&self.dir)?;
        tempfile::Builder::new().prefix("bench-").tempdir_in(dir)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::parse_from(["bench", "--workload", "w1"])
    }
}
