//! Writes one table of the page.

use std::fmt::Write as _;

use bench_harness::{Level, Line, StorageKind};
use serde_json::Value;

use crate::results::{Record, Results, spread};
use crate::row::{Row, Run};
use crate::stats::{Spread, bytes, rate, ratio, time};

pub const HEAD: &str =
    "| | OmniQ | compared with | ratio | flush | stolen |\n| --- | --- | --- | --- | --- | --- |\n";

/// Returns the heading, the command and the rows of a table, or `None` if none of its rows was measured.
pub fn section(name: &str, title: &str, rows: &[&Row], results: &Results) -> Option<String> {
    let measured = |row: &&&Row| !results.side(row, true).is_empty();
    let rows: Vec<&&Row> = rows.iter().filter(measured).collect();
    if rows.is_empty() {
        return None;
    }
    let mut text = format!("\n## {title}\n\n`bench/run compare --only {name}`\n\n");
    text += match name {
        "day" => {
            "| hour | tasks per second | p50 | p99 | database | WAL | finished tasks kept |\n\
                  | --- | --- | --- | --- | --- | --- | --- |\n"
        }
        _ => HEAD,
    };
    for row in &rows {
        text += &match name {
            "day" => hour_lines(results, row),
            _ => line(results, row),
        };
    }
    text += "\n<details><summary>The commands of each row</summary>\n\n";
    for row in rows {
        for ours in [true, false] {
            if let Some(record) = results.side(row, ours).first() {
                let _ = writeln!(text, "- {}: `bench/run {}`", row.what, record.command);
            }
        }
    }
    text += "\n</details>\n";
    Some(text)
}

/// Returns the line of a row.
pub fn line(results: &Results, row: &Row) -> String {
    let (ours, theirs) = (results.side(row, true), results.side(row, false));
    let latency = is_latency(&row.ours);
    let ratio_of = if latency { p50 } else { per_second };
    let ratios = results.ratios(row, ratio_of);
    let ratios = ratios.map_or("–".to_owned(), |spread| spread.format(ratio));
    let all = || ours.iter().chain(&theirs);
    let flush = Spread::of(all().map(|record| record.flush_us));
    let steal = Spread::of(all().map(|record| record.steal_percent));
    format!(
        "| {} | {} | {} | {ratios} | {} | {} |\n",
        row.what,
        cell(&ours, latency),
        cell(&theirs, latency),
        flush.map_or_else(String::new, |s| time(s.median)),
        steal.map_or_else(String::new, |s| format!("{:.0} %", s.median)),
    )
}

/// Returns whether the compared value is a latency.
pub fn is_latency(run: &Run) -> bool {
    run.args.contains("--workload w4")
}

pub fn per_second(line: &Line) -> Option<f64> {
    line.outcome.per_second
}

pub fn p50(line: &Line) -> Option<f64> {
    line.outcome.p50_us
}

/// Returns the contender, its durability and its figures, or the reason why there are none.
fn cell(side: &[&Record], latency: bool) -> String {
    let Some(line) = side.iter().find_map(|record| record.line.as_ref()) else {
        let error = side.iter().find_map(|record| record.error.as_deref());
        let first = error
            .unwrap_or("not measured")
            .lines()
            .next()
            .unwrap_or_default();
        return first.replace('|', "/");
    };
    let figures = match latency {
        true => {
            let p99 = spread(side, |line| line.outcome.p99_us);
            let p99 = p99.map_or_else(String::new, |s| format!("; p99 {}", time(s.median)));
            spread(side, p50).map(|s| s.format(time) + &p99)
        }
        false => spread(side, per_second).map(|s| s.format(rate) + "/s"),
    };
    let lines = side.iter().filter_map(|record| record.line.as_ref());
    let most_repeats = lines.map(|line| line.outcome.ran_again).max();
    let repeats = match most_repeats.unwrap_or_default() {
        0 => String::new(),
        count => format!("; ran {count} of {} tasks again", line.options.n()),
    };
    format!(
        "{}: {}{repeats}",
        contender_label(line),
        figures.unwrap_or_default()
    )
}

/// Returns the name of the contender and its durability, such as `effectum normal, as shipped`.
pub fn contender_label(line: &Line) -> String {
    let name = match line.contender.as_str() {
        "omniq" => "OmniQ",
        "limit" => "raw limit",
        other => other,
    };
    let durability = match (line.options.storage, line.options.durability) {
        (StorageKind::Memory, _) => "in memory",
        (_, Level::Full) => "full",
        (_, Level::Normal) => "normal",
    };
    let shipped = if line.options.as_shipped {
        ", as shipped"
    } else {
        ""
    };
    format!("{name} {durability}{shipped}")
}

/// Returns one line per hour, with the medians over the rounds.
fn hour_lines(results: &Results, row: &Row) -> String {
    let side = results.side(row, true);
    let mut text = String::new();
    for hour in 0..24 {
        let value = |name: &str| spread(&side, |line| of_hour(line, hour, name));
        let cell = |name, unit: fn(f64) -> String| {
            value(name).map_or_else(String::new, |spread| unit(spread.median))
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            hour + 1,
            cell("per_second", rate),
            cell("p50_us", time),
            cell("p99_us", time),
            cell("database_bytes", bytes),
            cell("wal_bytes", bytes),
            cell("finished_tasks", rate),
        );
    }
    text
}

/// Returns a value that was measured in this hour of the day.
pub fn of_hour(line: &Line, hour: usize, name: &str) -> Option<f64> {
    line.outcome
        .more
        .get("hours")?
        .get(hour)?
        .get(name)
        .and_then(Value::as_f64)
}
