//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Runs OmniQ and each other contender in turn, and writes benchmarks.md, benchmarks/results.jsonl and the charts.
///
/// Earlier results stay in results.jsonl until their row is measured again, so you can measure single parts.
#[derive(Parser)]
#[command(after_help = "Examples:\n  \
    bench/run compare                                 everything, about an hour\n  \
    bench/run compare --short --rounds 3              all but the largest rows, in 10 minutes\n  \
    bench/run compare --only w3,w4 --contenders effectum,limit\n  \
    bench/run compare --redraw                        tables and charts from the stored results")]
pub struct Options {
    /// Runs fewer tasks, and skips rows whose preparation takes long.
    #[arg(long)]
    pub short: bool,
    /// The number of rounds of each row.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Measures only these tables: w1, w2, w3, w4, w5, w6, files, growth, day.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Measures only rows that compare OmniQ with these: omniq (itself), limit, effectum, apalis1, apalis07, fang,
    /// huey.
    #[arg(long, value_delimiter = ',')]
    pub contenders: Vec<String>,
    /// Measures nothing, and draws the page and the charts again from results.jsonl.
    #[arg(long)]
    pub redraw: bool,
    /// The folder of benchmarks.md.
    #[arg(long, default_value = "../docs")]
    pub out: PathBuf,
    /// The folder of the databases. The disk of this folder is measured.
    #[arg(long, default_value = "target")]
    pub dir: PathBuf,
    /// The time limit of a run, in seconds. A run that takes longer leaves a gap in its table.
    #[arg(long, default_value_t = 180)]
    pub limit: u64,
    /// Multiplies the number of tasks of each run. Use it only to try out the programs: the figures mean nothing.
    #[arg(long, default_value_t = 1.0, hide = true)]
    pub scale: f64,
}

impl Options {
    /// Returns whether this table is requested.
    pub fn wants_table(&self, table: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == table)
    }

    /// Returns whether rows with this contender are requested.
    pub fn wants_contender(&self, contender: &str) -> bool {
        self.contenders.is_empty() || self.contenders.iter().any(|only| only == contender)
    }
}
