//! Runs contenders in turn (A, B, A, B …), stores their results, and draws tables and charts from them. The speed of a
//! machine drifts, so only programs that ran in turn can be compared.
//!
//! | module | contents |
//! | --- | --- |
//! | `matrix`, `row` | every row of the tables: two contenders and their options |
//! | `task_counts` | the number of tasks of each run |
//! | `measure`, `program` | all runs in turn; one run of one program |
//! | `machine` | description of the machine, disk latency, stolen CPU |
//! | `footprint` | W6 |
//! | `results` | the stored results, `results.jsonl` |
//! | `report`, `table`, `target_check`, `targets` | `benchmarks.md` |
//! | `charts`, `plot` | the SVG files |

mod charts;
mod footprint;
mod machine;
mod matrix;
mod measure;
mod options;
mod plot;
mod program;
mod report;
mod results;
mod row;
mod stats;
mod table;
mod target_check;
mod targets;
mod task_counts;

use std::process::ExitCode;

use bench_harness::Result;
use clap::Parser as _;

use crate::options::Options;
use crate::results::Results;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let mut results = Results::open(&options.out)?;
    if !options.redraw {
        measure::measure_all(options, &matrix::rows(options.short), &mut results)?;
    }
    // The page has all rows, also those that were measured by an earlier run only.
    let rows = matrix::rows(false);
    std::fs::write(
        options.out.join("benchmarks.md"),
        report::page(&rows, &results),
    )?;
    charts::draw_all(&results, &options.out.join("benchmarks"))
}
