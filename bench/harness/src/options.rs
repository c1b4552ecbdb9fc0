//! The command line, which is the same for every contender; what one of them can't do, it refuses.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

/// Runs one workload once, and prints one JSON object as the last line.
#[derive(Parser, Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    #[arg(long, value_enum)]
    pub workload: Workload,
    /// How many tasks are measured [default: 100000; w4: 1000; w5: 10000; day: 240000].
    #[arg(long)]
    pub n: Option<usize>,
    /// W1, W2: how many enqueue at once.
    #[arg(long, default_value_t = 1)]
    pub producers: usize,
    /// W3 to W5: how many handlers at once.
    #[arg(long, default_value_t = 10)]
    pub concurrency: usize,
    /// W3 to W5: tasks claimed ahead of free seats; the contender's own default where it is left out.
    #[arg(long)]
    pub prefetch: Option<usize>,
    /// What a commit means.
    #[arg(long, value_enum, default_value_t = Level::Full)]
    pub durability: Level,
    #[arg(long, value_enum, default_value_t = StorageKind::Sqlite)]
    pub storage: StorageKind,
    /// Leaves a peer as it comes, without what fair play sets right; its README says what that is.
    #[arg(long)]
    pub as_shipped: bool,
    /// Extra bytes in each task's arguments.
    #[arg(long, default_value_t = 0)]
    pub payload: usize,

    /// W5: due tasks that are still waiting when the last measured task starts.
    #[arg(long, default_value_t = 0)]
    pub backlog: usize,
    /// Tasks of a higher priority that are due in a day.
    #[arg(long, default_value_t = 0)]
    pub future: usize,
    /// Due tasks, enqueued before all others, of a name that the pool doesn't have.
    #[arg(long, default_value_t = 0)]
    pub foreign: usize,
    /// Finished tasks that the file still holds.
    #[arg(long, default_value_t = 0)]
    pub finished: usize,
    /// Spreads the tasks over so many queues.
    #[arg(long, default_value_t = 0)]
    pub queues: usize,
    /// Callers that wait for the results of other tasks, which never come.
    #[arg(long, default_value_t = 0)]
    pub waits: usize,
    /// W3: so many worker processes on one file.
    #[arg(long, default_value_t = 1)]
    pub processes: usize,
    /// W4: enqueue here, run in another process.
    #[arg(long)]
    pub across: bool,
    /// W4 of the raw limit: claim in a commit after that of the enqueue, not in the same one.
    #[arg(long)]
    pub own_commit: bool,

    /// Where the database goes, in a folder that is removed at the end.
    #[arg(long, default_value = ".")]
    #[serde(skip)]
    pub dir: PathBuf,
    /// Prints the line of JSON only.
    #[arg(long)]
    #[serde(skip)]
    pub json: bool,
    /// For the processes that a run starts: the folder to work in.
    #[arg(long, hide = true)]
    #[serde(skip)]
    pub child_of: Option<PathBuf>,
}

#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Enqueue one at a time, by --producers at once.
    W1,
    /// Enqueue 1,000 a call.
    W2,
    /// Process tasks that are there, to the last commit.
    W3,
    /// Idle pool: from the call of enqueue to the start of the handler.
    W4,
    /// Process some tasks while many more are waiting: see --backlog, --future, --foreign.
    W5,
    /// A day of enqueueing, processing and purging, on a clock that is moved (OmniQ only).
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
    /// Nothing is kept.
    Memory,
}

impl Options {
    /// From the arguments of this program.
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

    /// How many tasks are measured.
    pub fn n(&self) -> usize {
        self.n.unwrap_or_default()
    }

    /// A fresh folder for the database; removed when the value is dropped.
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
