//! What was aimed at, and whether it is reached: computed from what was measured.

use std::fmt::Write as _;

use bench_harness::Line;

use crate::footprint::Footprint;
use crate::matrix::Row;
use crate::results::Results;
use crate::stats::{Spread, ratio, time};
use crate::table::{p50, per_second};

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}
use Bound::{AtLeast, AtMost};

/// What is made of a row.
enum Measure {
    /// OmniQ's rate over the other's.
    Rate,
    /// How many times slower OmniQ is than the other.
    Slowness,
    /// OmniQ's CPU for each task over the other's.
    Cpu,
    /// OmniQ's median latency over the other's.
    Latency,
    /// OmniQ's median latency less one flush of the disk, in microseconds.
    BeyondFlush,
    /// OmniQ's median latency less the other's, in microseconds.
    Later,
}
use Measure::{BeyondFlush, Cpu, Latency, Later, Rate, Slowness};

/// What it says, the table, OmniQ's options, the other and its options, what is measured and the bound.
type Target = (
    &'static str,
    &'static str,
    &'static str,
    (&'static str, &'static str),
    Measure,
    Bound,
);

const TARGETS: &[Target] = &[
    (
        "W1, 1 producer, full: 0.85 of the raw limit",
        "w1",
        "--producers 1 --durability full",
        ("limit", "--producers 1 --durability full"),
        Rate,
        AtLeast(0.85),
    ),
    (
        "W1, 1 producer, normal: 1.5 times effectum",
        "w1",
        "--producers 1 --durability normal",
        ("effectum", "--producers 1 --durability normal"),
        Rate,
        AtLeast(1.5),
    ),
    (
        "W1, 64 producers, full: 0.75 of the raw limit",
        "w1",
        "--producers 64 --durability full",
        ("limit", "--producers 64 --durability full"),
        Rate,
        AtLeast(0.75),
    ),
    (
        "W1, 64 producers, full: no slower than effectum at normal",
        "w1",
        "--producers 64 --durability full",
        ("effectum", "--producers 64 --durability normal"),
        Rate,
        AtLeast(1.0),
    ),
    (
        "W2, full: 0.4 of the raw limit",
        "w2",
        "--producers 1 --durability full",
        ("limit", "--producers 1 --durability full"),
        Rate,
        AtLeast(0.4),
    ),
    (
        "W2, normal: 2.5 times effectum",
        "w2",
        "--producers 1 --durability normal",
        ("effectum", "--producers 1 --durability normal"),
        Rate,
        AtLeast(2.5),
    ),
    (
        "W3, 100 handlers, full: 0.6 of the raw limit",
        "w3",
        "--concurrency 100 --durability full",
        (
            "limit",
            "--concurrency 100 --durability full --prefetch 256",
        ),
        Rate,
        AtLeast(0.6),
    ),
    (
        "W3, 100 handlers, full: 3 times effectum at normal",
        "w3",
        "--concurrency 100 --durability full",
        ("effectum", "--concurrency 100 --durability normal"),
        Rate,
        AtLeast(3.0),
    ),
    (
        "W3, 10 handlers, full: 3 times effectum at normal",
        "w3",
        "--concurrency 10 --durability full",
        ("effectum", "--concurrency 10 --durability normal"),
        Rate,
        AtLeast(3.0),
    ),
    (
        "W3, 1 handler, full: no slower than effectum at normal",
        "w3",
        "--concurrency 1 --durability full",
        ("effectum", "--concurrency 1 --durability normal"),
        Rate,
        AtLeast(1.0),
    ),
    (
        "W3, 1 handler, strict: 0.7 of the strict limit",
        "w3",
        "--concurrency 1 --durability full --prefetch 0",
        ("limit", "--concurrency 1 --durability full --prefetch 0"),
        Rate,
        AtLeast(0.7),
    ),
    (
        "W3, 10 handlers, strict: 0.7 of the strict limit",
        "w3",
        "--concurrency 10 --durability full --prefetch 0",
        ("limit", "--concurrency 10 --durability full --prefetch 0"),
        Rate,
        AtLeast(0.7),
    ),
    (
        "W3, 100 handlers, strict: 0.7 of the strict limit",
        "w3",
        "--concurrency 100 --durability full --prefetch 0",
        ("limit", "--concurrency 100 --durability full --prefetch 0"),
        Rate,
        AtLeast(0.7),
    ),
    (
        "W4, normal: at most half of effectum's median",
        "w4",
        "--durability normal",
        ("effectum", "--durability normal"),
        Latency,
        AtMost(0.5),
    ),
    (
        "W4, full: at most 200 µs beyond one flush",
        "w4",
        "--durability full",
        ("limit", "--durability full"),
        BeyondFlush,
        AtMost(200.0),
    ),
    (
        "W4 across processes, full: at most 1 ms later",
        "w4",
        "--durability full --across",
        ("omniq", "--durability full"),
        Later,
        AtMost(1_000.0),
    ),
    (
        "W4 across processes, normal: at most 1 ms later",
        "w4",
        "--durability normal --across",
        ("omniq", "--durability normal"),
        Later,
        AtMost(1_000.0),
    ),
    (
        "W5, 1,000,000 waiting beside 1,000: at most 1.5 times slower",
        "w5",
        "--durability full --backlog 1000000",
        FEW,
        Slowness,
        AtMost(1.5),
    ),
    (
        "W5, the same: at most 1.2 times the CPU a task",
        "w5",
        "--durability full --backlog 1000000",
        FEW,
        Cpu,
        AtMost(1.2),
    ),
    (
        "W5, 100,000 of higher priority in a day: at most 1.5 times slower",
        "w5",
        "--durability full --backlog 1000 --future 100000",
        FEW,
        Slowness,
        AtMost(1.5),
    ),
    (
        "W5, the same: at most 1.2 times the CPU a task",
        "w5",
        "--durability full --backlog 1000 --future 100000",
        FEW,
        Cpu,
        AtMost(1.2),
    ),
    (
        "W5, 100,000 of other names: at most 1.5 times slower",
        "w5",
        "--durability full --backlog 1000 --foreign 100000",
        FEW,
        Slowness,
        AtMost(1.5),
    ),
    (
        "W5, the same: at most 1.2 times the CPU a task",
        "w5",
        "--durability full --backlog 1000 --foreign 100000",
        FEW,
        Cpu,
        AtMost(1.2),
    ),
];

const FEW: (&str, &str) = ("omniq", "--durability full --backlog 1000");

pub fn section(rows: &[Row], results: &Results) -> String {
    let mut text = "\n## Targets\n\n| target | measured | |\n| --- | --- | --- |\n".to_owned();
    for (what, table, ours, theirs, measure, bound) in TARGETS {
        let row = rows.iter().find(|row| is(row, table, ours, theirs));
        let value = row.and_then(|row| value(results, row, measure));
        let unit = match measure {
            BeyondFlush | Later => time,
            _ => ratio,
        };
        let written = value.map(|spread| spread.written(unit));
        line(
            &mut text,
            what,
            written,
            value.map(|spread| spread.median),
            bound,
        );
    }
    if let Some(footprint) = results.footprint() {
        size(&mut text, footprint);
    }
    text += "\nW6 is measured by `bench/run size`. CPU a task stands for instructions, which virtual machines seldom count.\n";
    text
}

/// Whether a row is the one that a target speaks of.
fn is(row: &Row, table: &str, ours: &str, theirs: &(&str, &str)) -> bool {
    let args = |own: &str| format!("--workload {table} {own}");
    let Some(run) = &row.theirs else { return false };
    let peer = run.contender == theirs.0 && run.args == args(theirs.1);
    row.table == table && row.ours.args == args(ours) && peer
}

fn value(results: &Results, row: &Row, measure: &Measure) -> Option<Spread> {
    let cpu = |line: &Line| line.outcome.cpu_us;
    match measure {
        Rate => results.ratios(row, per_second),
        Slowness => results.ratios(row, |line| per_second(line).map(|rate| 1.0 / rate)),
        Cpu => results.ratios(row, cpu),
        Latency => results.ratios(row, p50),
        BeyondFlush => {
            let beyond = results.side(row, true).into_iter().filter_map(|record| {
                Some((p50(record.line.as_ref()?)? - record.flush_us).max(0.0))
            });
            Spread::of(beyond)
        }
        Later => {
            let theirs = results.side(row, false);
            let later = results.side(row, true).into_iter().filter_map(|ours| {
                let theirs = theirs.iter().find(|record| record.round == ours.round)?;
                Some((p50(ours.line.as_ref()?)? - p50(theirs.line.as_ref()?)?).max(0.0))
            });
            Spread::of(later)
        }
    }
}

fn line(text: &mut String, what: &str, written: Option<String>, value: Option<f64>, bound: &Bound) {
    let verdict = value.map(|value| match bound {
        AtLeast(least) => value >= *least,
        AtMost(most) => value <= *most,
    });
    let verdict = match verdict {
        None => "not measured",
        Some(true) => "reached",
        Some(false) => "**not reached**",
    };
    let written = written.unwrap_or_else(|| "–".to_owned());
    let _ = writeln!(text, "| {what} | {written} | {verdict} |");
}

fn size(text: &mut String, footprint: &Footprint) {
    const MB: f64 = 1_000_000.0;
    let crates = footprint.crates as f64;
    let (binary, idle) = (
        footprint.binary_bytes as f64 / MB,
        footprint.idle_bytes as f64 / MB,
    );
    let mb = |value: f64| Some(format!("{value:.1} MB"));
    let under = |value: f64| AtMost(value);
    line(
        text,
        "W6: under 120 crates",
        Some(format!("{crates}")),
        Some(crates),
        &under(119.0),
    );
    line(
        text,
        "W6: a worker's binary under 5 MB, stripped",
        mb(binary),
        Some(binary),
        &under(5.0),
    );
    line(
        text,
        "W6: under 12 MB resident while idle",
        mb(idle),
        Some(idle),
        &under(12.0),
    );
}
