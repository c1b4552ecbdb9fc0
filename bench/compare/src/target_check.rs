//! Checks which targets are reached, from the measurements.

use std::fmt::Write as _;

use bench_harness::Line;

use crate::footprint::Footprint;
use crate::results::Results;
use crate::row::Row;
use crate::stats::{Spread, ratio, time};
use crate::table::{p50, per_second};
use crate::targets::Bound::{self, AtLeast, AtMost};
use crate::targets::Measure::{self, AddedLatency, BeyondFlush, Cpu, Latency, Rate, Slowness};
use crate::targets::TARGETS;

/// Returns the section of the page about the targets.
pub fn section(rows: &[Row], results: &Results) -> String {
    let mut text =
        "\n## Targets\n\n| target | measured | result |\n| --- | --- | --- |\n".to_owned();
    for (what, table, ours, theirs, measure, bound) in TARGETS {
        let row = rows.iter().find(|row| matches(row, table, ours, theirs));
        let value = row.and_then(|row| value(results, row, measure));
        let unit = match measure {
            BeyondFlush | AddedLatency => time,
            _ => ratio,
        };
        let text_of_value = value.map(|spread| spread.format(unit));
        push_line(
            &mut text,
            what,
            text_of_value,
            value.map(|spread| spread.median),
            bound,
        );
    }
    if let Some(footprint) = results.footprint() {
        push_footprint(&mut text, footprint);
    }
    text += "\nW6 is measured by `bench/run size`. CPU per task takes the place of an instruction count, which virtual machines seldom provide.\n";
    text
}

/// Returns whether a target is about this row.
fn matches(row: &Row, table: &str, ours: &str, theirs: &(&str, &str)) -> bool {
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
        AddedLatency => {
            let theirs = results.side(row, false);
            let added = results.side(row, true).into_iter().filter_map(|ours| {
                let theirs = theirs.iter().find(|record| record.round == ours.round)?;
                Some((p50(ours.line.as_ref()?)? - p50(theirs.line.as_ref()?)?).max(0.0))
            });
            Spread::of(added)
        }
    }
}

fn push_line(
    text: &mut String,
    what: &str,
    written: Option<String>,
    value: Option<f64>,
    bound: &Bound,
) {
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

fn push_footprint(text: &mut String, footprint: &Footprint) {
    const MB: f64 = 1_000_000.0;
    let crates = footprint.crates as f64;
    let (binary, idle) = (
        footprint.binary_bytes as f64 / MB,
        footprint.idle_bytes as f64 / MB,
    );
    let mb = |value: f64| Some(format!("{value:.2} MB"));
    push_line(
        text,
        "W6: under 120 crates",
        Some(format!("{crates}")),
        Some(crates),
        &AtMost(119.0),
    );
    push_line(
        text,
        "W6: a worker's binary under 5 MB, stripped",
        mb(binary),
        Some(binary),
        &AtMost(5.0),
    );
    push_line(
        text,
        "W6: under 12 MB resident while idle",
        mb(idle),
        Some(idle),
        &AtMost(12.0),
    );
}
