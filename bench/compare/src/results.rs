//! Stores the results in `results.jsonl`, one JSON object per line. Tables and charts are drawn from this file alone.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use bench_harness::{Line, Result};
use serde::{Deserialize, Serialize};

use crate::footprint::Footprint;
use crate::machine::Machine;
use crate::row::Row;
use crate::stats::Spread;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Entry {
    Machine(Machine),
    Run(Box<Record>),
    Footprint(Footprint),
}

/// One run of one side of a row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// The [`Row::id`].
    pub row: String,
    pub ours: bool,
    pub round: usize,
    /// Seconds since 1970.
    pub at: u64,
    pub command: String,
    /// The disk latency just before the round.
    pub flush_us: f64,
    /// The share of CPU that other guests took during the run.
    pub steal_percent: f64,
    pub line: Option<Line>,
    /// The reason why there is no line.
    pub error: Option<String>,
}

pub struct Results {
    path: PathBuf,
    entries: Vec<Entry>,
}

impl Results {
    /// Reads the stored results from this folder, if there are any.
    pub fn open(out: &Path) -> Result<Self> {
        let folder = out.join("benchmarks");
        fs::create_dir_all(&folder)?;
        let path = folder.join("results.jsonl");
        let text = if path.exists() {
            fs::read_to_string(&path)?
        } else {
            String::new()
        };
        let entries = text.lines().map(serde_json::from_str);
        let entries: std::result::Result<_, _> = entries.collect();
        let entries = entries.map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { path, entries })
    }

    /// Removes the entries that will be measured again.
    pub fn remove(&mut self, is_obsolete: impl Fn(&Entry) -> bool) -> Result<()> {
        self.entries.retain(|entry| !is_obsolete(entry));
        let lines: std::result::Result<Vec<_>, _> =
            self.entries.iter().map(serde_json::to_string).collect();
        let text: String = lines?.into_iter().map(|line| line + "\n").collect();
        Ok(fs::write(&self.path, text)?)
    }

    /// Appends an entry to the file immediately, so that an interrupted comparison loses nothing.
    pub fn add(&mut self, entry: Entry) -> Result<()> {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)?;
        writeln!(file, "{}", serde_json::to_string(&entry)?)?;
        self.entries.push(entry);
        Ok(())
    }

    pub fn machine(&self) -> Option<&Machine> {
        self.entries.iter().rev().find_map(|entry| match entry {
            Entry::Machine(machine) => Some(machine),
            _ => None,
        })
    }

    pub fn footprint(&self) -> Option<&Footprint> {
        self.entries.iter().rev().find_map(|entry| match entry {
            Entry::Footprint(footprint) => Some(footprint),
            _ => None,
        })
    }

    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Run(record) => Some(&**record),
            _ => None,
        })
    }

    /// Returns the result lines of all runs that succeeded.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.records().filter_map(|record| record.line.as_ref())
    }

    /// Returns the records of one side of a row.
    pub fn side(&self, row: &Row, ours: bool) -> Vec<&Record> {
        let id = row.id();
        let of_side = |record: &&Record| record.row == id && record.ours == ours;
        self.records().filter(of_side).collect()
    }

    /// Returns the spread of `ours` divided by `theirs`, over the rounds in which both sides succeeded.
    pub fn ratios(&self, row: &Row, value: impl Fn(&Line) -> Option<f64>) -> Option<Spread> {
        let theirs = self.side(row, false);
        let ratio = |ours: &Record| {
            let theirs = theirs.iter().find(|record| record.round == ours.round)?;
            Some(value(ours.line.as_ref()?)? / value(theirs.line.as_ref()?)?)
        };
        Spread::of(self.side(row, true).into_iter().filter_map(ratio))
    }
}

/// Returns the spread of a value of one side, over its rounds.
pub fn spread(side: &[&Record], value: impl Fn(&Line) -> Option<f64>) -> Option<Spread> {
    Spread::of(
        side.iter()
            .filter_map(|record| value(record.line.as_ref()?)),
    )
}
