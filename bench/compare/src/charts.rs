//! Selects the measurements for each chart, and draws the SVG files.

use std::collections::BTreeMap;
use std::path::Path;

use bench_harness::{Line, Options, Result, StorageKind, Workload};

use crate::plot::{Chart, Series};
use crate::results::Results;
use crate::stats::Spread;
use crate::table::contender_label;

/// A chart of rates. `x_of` returns the position of a run on the x axis, or `None` if the run is not in the chart.
struct Rates {
    file: &'static str,
    table: &'static str,
    title: &'static str,
    x_label: &'static str,
    x_of: fn(&Options) -> Option<usize>,
}

const RATES: [Rates; 3] = [
    Rates {
        file: "producers.svg",
        table: "w1",
        title: "Enqueue one at a time",
        x_label: "concurrent producers",
        x_of: |options| (options.workload == Workload::W1).then_some(options.producers),
    },
    Rates {
        file: "workers.svg",
        table: "w3",
        title: "Process stored tasks until the last commit",
        x_label: "concurrent handlers",
        x_of: |options| (options.workload == Workload::W3).then_some(options.concurrency),
    },
    Rates {
        file: "backlog.svg",
        table: "w5",
        title: "Process 10 tasks at a time while more are waiting",
        x_label: "tasks waiting",
        x_of: |options| (options.workload == Workload::W5).then_some(options.backlog),
    },
];

const LATENCY: (&str, &str, &str) = (
    "latency.svg",
    "w4",
    "Idle pool: from the enqueue call to the start of the handler",
);

/// Draws every chart that has measurements.
pub fn draw_all(results: &Results, folder: &Path) -> Result<()> {
    for rates in &RATES {
        let series = rates.series(results);
        if !series.is_empty() {
            let chart = Chart {
                title: rates.title,
                x: rates.x_label,
                y: "tasks per second",
                log_y: true,
                series,
            };
            chart.draw(&folder.join(rates.file))?;
        }
    }
    let series = latency_curves(results);
    if !series.is_empty() {
        let chart = Chart {
            title: LATENCY.2,
            x: "latency in microseconds",
            y: "share of tasks started, in percent",
            log_y: false,
            series,
        };
        chart.draw(&folder.join(LATENCY.0))?;
    }
    Ok(())
}

/// Returns the Markdown image of the chart that belongs to a table, or nothing if it has none.
pub fn image_of(table: &str) -> String {
    let rates = RATES.iter().find(|rates| rates.table == table);
    let latency_chart = (table == LATENCY.1).then_some((LATENCY.0, LATENCY.2));
    let chart = rates
        .map(|rates| (rates.file, rates.title))
        .or(latency_chart);
    chart.map_or_else(String::new, |(file, title)| {
        format!("\n![{title}](benchmarks/{file})\n")
    })
}

/// Returns whether a run has no payload, no other data in the file, and one process.
fn is_plain(options: &Options) -> bool {
    let conditions = [
        options.payload,
        options.future,
        options.foreign,
        options.finished,
        options.queues,
        options.waits,
    ];
    let on_sqlite = options.storage == StorageKind::Sqlite;
    on_sqlite && options.processes == 1 && conditions.iter().all(|count| *count == 0)
}

impl Rates {
    fn series(&self, results: &Results) -> Vec<Series> {
        let mut found: BTreeMap<String, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
        for line in results.lines().filter(|line| is_plain(&line.options)) {
            if let (Some(x), Some(rate)) = ((self.x_of)(&line.options), line.outcome.per_second) {
                let rates_by_x = found.entry(series_name(line)).or_default();
                rates_by_x.entry(x).or_default().push(rate);
            }
        }
        let series = found.into_iter().map(|(name, rates_by_x)| {
            let median = |(x, rates)| Some((x as f64, Spread::of(rates)?.median));
            let points = rates_by_x.into_iter().filter_map(median).collect();
            Series { name, points }
        });
        sorted(series.collect())
    }
}

fn latency_curves(results: &Results) -> Vec<Series> {
    let mut found: BTreeMap<String, Vec<&[f64]>> = BTreeMap::new();
    for line in results.lines().filter(|line| is_plain(&line.options)) {
        if line.options.workload == Workload::W4 {
            found
                .entry(series_name(line))
                .or_default()
                .push(&line.outcome.curve_us);
        }
    }
    let series = found.into_iter().map(|(name, curves)| {
        let median = |percent: usize| {
            let values = curves
                .iter()
                .filter_map(|curve| curve.get(percent - 1).copied());
            Some((Spread::of(values)?.median, percent as f64))
        };
        // The slowest 1 % is left out, because it would compress the rest of the curve.
        let points = (1..100).filter_map(median).collect();
        Series { name, points }
    });
    sorted(series.collect())
}

/// Returns the contender, its durability, and the options that distinguish this series from others.
fn series_name(line: &Line) -> String {
    let options = &line.options;
    let suffix = match (options.prefetch, options.across, options.own_commit) {
        (Some(0), ..) => ", strict",
        (_, true, _) => ", across processes",
        (.., true) => ", own commit",
        _ => "",
    };
    contender_label(line) + suffix
}

/// Sorts OmniQ first, then the raw limit, then the others by name.
fn sorted(mut series: Vec<Series>) -> Vec<Series> {
    let rank = |name: &str| match name {
        name if name.starts_with("OmniQ") => 0,
        name if name.starts_with("raw") => 1,
        _ => 2,
    };
    series.sort_by_key(|series| (rank(&series.name), series.name.clone()));
    series
}
