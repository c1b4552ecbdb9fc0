//! Runs contenders in turn (A, B, A, B …), because on a machine whose speed drifts only programs that took turns can
//! be compared; keeps what they said, and draws tables and charts from it.
//!
//! | where | what |
//! | --- | --- |
//! | `matrix`, `row` | every row: who runs beside whom, doing what |
//! | `sizes` | how many tasks each of them gets |
//! | `measure`, `program` | the runs, in turn; one program |
//! | `machine` | disk, CPU steal, versions |
//! | `footprint` | W6 |
//! | `results` | what is kept in `results.jsonl` |
//! | `report`, `table`, `aims`, `targets` | `benchmarks.md` |
//! | `charts`, `plot` | the SVG files |

mod aims;
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
mod sizes;
mod stats;
mod table;
mod targets;

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
        measure::all(options, &matrix::rows(options.short), &mut results)?;
    }
    // Also rows that this run left out, if they were measured before.
    let rows = matrix::rows(false);
    std::fs::write(
        options.out.join("benchmarks.md"),
        report::whole(&rows, &results),
    )?;
    charts::all(&results, &options.out.join("benchmarks"))
}
