//! Writes the page `benchmarks.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::results::Results;
use crate::row::{Row, TABLES};
use crate::stats::{Spread, time};
use crate::{charts, table, target_check};

const HEAD: &str = "# Benchmarks

<!-- Written by `bench/run compare`. To draw it again from the stored results, use `bench/run compare --redraw`. -->

This page compares OmniQ with other queues and with the raw limit, on one machine. `just bench` measures
everything again in about an hour; `just bench-short` measures it with fewer tasks in ten minutes.

**How to read the tables**

- Each row is a pair of programs that ran in turn (A, B, A, B …). The speed of a shared machine and of its disk drifts, so
  compare only the two programs of one row. A difference between rows of less than 1.5 times means nothing.
- A cell is the median of the rounds, with the minimum and the maximum. A ratio is the median of the ratios of the rounds.
- *full*: a commit survives a power cut. *normal*: a commit survives the death of the process.
- Handlers do nothing, results are kept, and the arguments are `{\"n\": 7}` unless the row says otherwise.
- *Raw limit* is plain SQLite behind a writer thread (`bench/limit`), without leases, retries, unique keys, errors or
  wake-ups. It shows what the hardware allows; it is not a queue.
- *flush* is the median time of a write of 4 KiB into a preallocated file and its `fdatasync`, measured before each round.
  *stolen* is the share of CPU that other guests of the host took during the runs.
";

const FAIRNESS: &str = "## Fairness

The other queues are ordinary dependencies from their registries. Where a benchmark changes a default, a comment next to
that line in `bench/NAME` says so. `--as-shipped` keeps the original defaults.

- W3 measures until the last commit, not until the last handler ends. W5 measures until the last of the measured tasks
  starts, while the backlog is still waiting.
- effectum sets a pragma with the wrong name, and so runs with a rollback journal. The benchmark puts its file into WAL
  mode first. effectum sets `synchronous` to NORMAL itself, so it has no row at full.
- apalis-sqlite 1.0 turns `synchronous` off on one connection of its pool. The benchmark sets it on all connections. An
  idle worker polls every 30 s by default. In the benchmark it is notified of new rows, and polls every 100 ms.
- apalis-sql 0.7 fetches 10 tasks every 100 ms. The tables show this (\"as shipped\"), and a version that fetches 1,000 tasks
  every millisecond. A task becomes due in the second after it was stored.
- fang runs with a rollback journal, deletes finished tasks and lets idle workers sleep for 5 s. The benchmark uses WAL
  mode, keeps finished tasks and polls every 10 ms. `synchronous` can't be set in fang; it is SQLite's default, FULL.
- Huey is a Python library. Its default is FULL. Its `fsync=False` means OFF, which is less than *normal*, so all its rows
  are full.
- Some rows compare OmniQ at full, its default, with a queue at normal, because that queue has no full. The other queue
  has less work to do in these rows.
";

/// Returns the whole page.
pub fn page(rows: &[Row], results: &Results) -> String {
    let mut page = HEAD.to_owned();
    page += &machine(results);
    page += &target_check::section(rows, results);
    for (name, title) in TABLES {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.table == name).collect();
        if let Some(table) = table::section(name, title, &rows, results) {
            page += &table;
            page += &charts::image_of(name);
        }
    }
    page += "\n";
    page + FAIRNESS
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
        let _ = writeln!(text, "- a flush took {}", flush.format(time));
        let _ = writeln!(
            text,
            "- CPU stolen by other guests: {}",
            steal.format(|p| format!("{p:.0} %"))
        );
    }
    text
}

/// Returns the SQLite versions and the contenders that use them, such as `3.51.3 (limit, omniq)`.
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
