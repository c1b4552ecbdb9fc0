//! `benchmarks.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::results::Results;
use crate::row::{Row, TABLES};
use crate::stats::{Spread, time};
use crate::{charts, table, targets};

const HEAD: &str = "# Benchmarks

<!-- Written by `bench/run compare`; draw it again from what was measured with `bench/run compare --redraw`. -->

OmniQ beside other queues and beside the raw limit, on one machine, in turn. All of it again, in about an hour:
`just bench`; in ten minutes, with fewer tasks: `just bench-short`.

**How to read it.** Each row is a pair that ran in turn (A, B, A, B …): the speed of a shared machine and of its disk
drifts, so only the ratios of a pair mean anything, and differences between rows of less than 1.5 times mean nothing.
Cells are the median of the rounds, with the minimum and the maximum; a ratio is the median of the rounds' ratios.
*full*: a commit survives a power cut. *normal*: it survives the death of the process. Handlers do nothing, arguments
are `{\"n\": 7}` unless a row says so, results are kept. *Raw limit*: plain SQLite behind a writer thread (`bench/limit`),
without leases, retries, unique keys, errors or wake-ups: what the hardware allows, not a queue. \"flush\" is the median
of a write of 4 KiB into a file of its size and its `fdatasync`, just before; \"stolen\" is the CPU that other guests of the
host took meanwhile.
";

const FAIR: &str = "## Fair play

Peers are ordinary dependencies from their registries; each deviation from a default stands in a comment beside the line
that makes it, in `bench/NAME`. `--as-shipped` undoes it.

- The clock of W3 stops at the last commit, not at the last handler; that of W5 when the last of the measured tasks starts
  and the backlog is still waiting.
- effectum sets a pragma of the wrong name and so runs on a rollback journal: its file is put into WAL mode first. It
  sets `synchronous` to NORMAL itself, so there is no row of it at full.
- apalis-sqlite 1.0 turns `synchronous` off on one connection of its pool: it is set back on all. An idle
  worker of it looks again after 30 s unless it is told otherwise: it hears of new rows, and looks each 100 ms.
- apalis-sql 0.7 looks for 10 tasks each 100 ms: shown so (\"as shipped\") and tuned to 1,000 each millisecond. A task that it
  stored is due in the second after.
- fang runs on a rollback journal, deletes what has finished and lets idle workers sleep 5 s: it is given WAL mode, keeps
  its tasks and looks each 10 ms. Its `synchronous` can't be set; it is SQLite's default, FULL.
- Huey is Python. Its default is FULL; its `fsync=False` is OFF, which is not what *normal* means, so all its rows are full.
- Rows of different durability compare OmniQ's default, full, with what a peer can do at its best; the peer has less
  to do there.
";

/// The whole page.
pub fn whole(rows: &[Row], results: &Results) -> String {
    let mut page = HEAD.to_owned();
    page += &machine(results);
    page += &targets::section(rows, results);
    for (name, title) in TABLES {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.table == name).collect();
        if let Some(table) = table::section(name, title, &rows, results) {
            page += &table;
            page += &charts::links(name);
        }
    }
    page += "\n";
    page + FAIR
}

fn machine(results: &Results) -> String {
    let mut text = "\n## The machine\n\n".to_owned();
    if let Some(m) = results.machine() {
        let (cpu, cores, memory) = (&m.cpu, m.cores, m.memory_gib);
        let _ = writeln!(
            text,
            "- {cpu}, {cores} cores, {memory} GiB, {}, {}",
            m.kernel, m.file_system
        );
        let _ = writeln!(text, "- {}; SQLite: {}", m.rustc, sqlite_versions(results));
    }
    let flush = Spread::of(results.records().map(|record| record.flush_us));
    let steal = Spread::of(results.records().map(|record| record.steal_percent));
    if let (Some(flush), Some(steal)) = (flush, steal) {
        let _ = writeln!(text, "- a flush took {}", flush.written(time));
        let _ = writeln!(
            text,
            "- CPU stolen by other guests: {}",
            steal.written(|p| format!("{p:.0} %"))
        );
    }
    text
}

/// `3.51.3 (limit, omniq)`.
fn sqlite_versions(results: &Results) -> String {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in results.lines().filter(|line| !line.sqlite.is_empty()) {
        let names = versions.entry(&line.sqlite).or_default();
        if !names.contains(&line.contender.as_str()) {
            names.push(&line.contender);
        }
    }
    let written = versions
        .iter()
        .map(|(version, names)| format!("{version} ({})", names.join(", ")));
    written.collect::<Vec<_>>().join(", ")
}
