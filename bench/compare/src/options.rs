//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Runs OmniQ beside each contender in turn, and writes benchmarks.md, benchmarks/results.jsonl and the charts.
///
/// What was measured before stays in results.jsonl until its row is measured again, so a part can be measured alone.
#[derive(Parser)]
#[command(after_help = "Examples:\n  \
    bench/run compare                                 everything, about an hour\n  \
    bench/run compare --short --rounds 3              everything but the largest, in 10 minutes\n  \
    bench/run compare --only w3,w4 --contenders effectum,limit\n  \
    bench/run compare --redraw                        tables and charts of what was measured before")]
pub struct Options {
    /// Fewer tasks a run, and no row whose preparation takes long.
    #[arg(long)]
    pub short: bool,
    /// How often each pair runs.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// Only these tables: w1, w2, w3, w4, w5, w6, files, growth, day.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Only rows beside these: omniq (itself), limit, effectum, apalis1, apalis07, fang, huey.
    #[arg(long, value_delimiter = ',')]
    pub contenders: Vec<String>,
    /// Measures nothing; draws again what is in results.jsonl.
    #[arg(long)]
    pub redraw: bool,
    /// The folder of benchmarks.md.
    #[arg(long, default_value = "../docs")]
    pub out: PathBuf,
    /// Where the databases go: its disk is what is measured.
    #[arg(long, default_value = "target")]
    pub dir: PathBuf,
    /// Ends a run that takes longer, in seconds; its cell stays empty.
    #[arg(long, default_value_t = 180)]
    pub limit: u64,
    /// Multiplies the number of tasks of each run, to try the programs out: the figures are worth nothing.
    #[arg(long, default_value_t = 1.0, hide = true)]
    pub scale: f64,
}

impl Options {
    /// Whether this table is asked for.
    pub fn wants_table(&self, table: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == table)
    }

    /// Whether rows beside this contender are asked for.
    pub fn wants_contender(&self, contender: &str) -> bool {
        self.contenders.is_empty() || self.contenders.iter().any(|only| only == contender)
    }
}
