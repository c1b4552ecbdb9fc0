//! The runs, in turn.

use std::time::Instant;

use bench_harness::Result;

use crate::machine::{self, Machine, Ticks};
use crate::options::Options;
use crate::results::{Entry, Record, Results};
use crate::row::{Row, Run};
use crate::{footprint, program, table};

/// Measures every row that is asked for, and prints it. A run that fails is a gap in its table.
pub fn all(options: &Options, rows: &[Row], results: &mut Results) -> Result<()> {
    let wanted = |row: &&Row| {
        let peer = row.theirs.as_ref().map_or("omniq", |run| run.contender);
        options.wants_table(row.table) && options.wants_contender(peer)
    };
    let rows: Vec<&Row> = rows.iter().filter(wanted).collect();
    let footprint = options.wants_table("w6");
    let ids: Vec<String> = rows.iter().map(|row| row.id()).collect();
    results.forget(|entry| match entry {
        Entry::Machine(_) => true,
        Entry::Footprint(_) => footprint,
        Entry::Run(record) => ids.contains(&record.row),
    })?;
    results.add(Entry::Machine(Machine::look(&options.dir)))?;
    if footprint {
        let footprint = footprint::measure()?;
        println!("{footprint:?}");
        results.add(Entry::Footprint(footprint))?;
    }
    let begun = Instant::now();
    print!("{}", table::HEAD);
    for (done, row) in rows.iter().enumerate() {
        tell(row, done, rows.len(), begun);
        pair(row, options, results)?;
        print!("{}", table::line(results, row));
    }
    Ok(())
}

/// Which row, how far, and about how long there is to go.
fn tell(row: &Row, done: usize, all: usize, begun: Instant) {
    let left = match done {
        0 => String::new(),
        done => {
            let each = begun.elapsed().as_secs_f64() / done as f64;
            format!(", about {:.0} min left", each * (all - done) as f64 / 60.0)
        }
    };
    let peer = row.theirs.as_ref().map_or("alone", |run| run.contender);
    let (table, what) = (row.table, &row.what);
    eprintln!("[{}/{all}{left}] {table}: {what}, {peer}", done + 1);
}

fn pair(row: &Row, options: &Options, results: &mut Results) -> Result<()> {
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
                // It would fail again.
                return Ok(());
            }
        }
    }
    Ok(())
}
