//! Runs both contenders of each row in turn, and stores the results.

use std::time::Instant;

use bench_harness::Result;

use crate::machine::{self, Machine, Ticks};
use crate::options::Options;
use crate::results::{Entry, Record, Results};
use crate::row::{Row, Run};
use crate::{footprint, program, table};

/// Measures every requested row, and prints it. A run that fails leaves a gap in its table.
pub fn measure_all(options: &Options, rows: &[Row], results: &mut Results) -> Result<()> {
    let wanted = |row: &&Row| {
        let peer = row.theirs.as_ref().map_or("omniq", |run| run.contender);
        options.wants_table(row.table) && options.wants_contender(peer)
    };
    let rows: Vec<&Row> = rows.iter().filter(wanted).collect();
    let footprint = options.wants_table("w6");
    let ids: Vec<String> = rows.iter().map(|row| row.id()).collect();
    results.remove(|entry| match entry {
        Entry::Machine(_) => true,
        Entry::Footprint(_) => footprint,
        Entry::Run(record) => ids.contains(&record.row),
    })?;
    results.add(Entry::Machine(Machine::inspect(&options.dir)))?;
    if footprint {
        let footprint = footprint::measure()?;
        println!("{footprint:?}");
        results.add(Entry::Footprint(footprint))?;
    }
    let started = Instant::now();
    print!("{}", table::HEAD);
    for (done, row) in rows.iter().enumerate() {
        print_progress(row, done, rows.len(), started);
        measure_row(row, options, results)?;
        print!("{}", table::line(results, row));
    }
    Ok(())
}

/// Prints the current row, the number of rows, and an estimate of the remaining time.
fn print_progress(row: &Row, done: usize, all: usize, started: Instant) {
    let left = match done {
        0 => String::new(),
        done => {
            let each = started.elapsed().as_secs_f64() / done as f64;
            format!(", about {:.0} min left", each * (all - done) as f64 / 60.0)
        }
    };
    let peer = row.theirs.as_ref().map_or("alone", |run| run.contender);
    let (table, what) = (row.table, &row.what);
    eprintln!("[{}/{all}{left}] {table}: {what}, {peer}", done + 1);
}

fn measure_row(row: &Row, options: &Options, results: &mut Results) -> Result<()> {
    let mut sides: Vec<(bool, &Run)> = vec![(true, &row.ours)];
    sides.extend(row.theirs.as_ref().map(|run| (false, run)));
    for round in 0..options.rounds {
        let flush_us = machine::flush_us(&options.dir)?;
        for (ours, run) in &sides {
            let before = Ticks::now();
            let (line, error) = match program::run(run, options) {
                Ok(line) => (Some(line), None),
                Err(error) => (None, Some(error.to_string())),
            };
            if let Some(error) = &error {
                eprintln!("  {}: {error}", run.text());
            }
            let failed = error.is_some();
            results.add(Entry::Run(Box::new(Record {
                row: row.id(),
                ours: *ours,
                round,
                at: machine::unix_seconds(),
                command: program::command(run, options),
                flush_us,
                steal_percent: Ticks::now().stolen_since(before),
                line,
                error,
            })))?;
            if failed {
                // The next round would fail too.
                return Ok(());
            }
        }
    }
    Ok(())
}
