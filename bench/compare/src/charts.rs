//! The SVG files: which figures go into which chart.

use std::collections::BTreeMap;
use std::path::Path;

use bench_harness::{Line, Options, Result, StorageKind, Workload};

use crate::plot::{Chart, Series};
use crate::results::Results;
use crate::stats::Spread;
use crate::table::who;

/// A chart of rates: its file, its title, its axis, and where on the axis a run is, if it belongs there.
struct Rates {
    file: &'static str,
    table: &'static str,
    title: &'static str,
    x: &'static str,
    place: fn(&Options) -> Option<usize>,
}

const RATES: [Rates; 3] = [
    Rates {
        file: "producers.svg",
        table: "w1",
        title: "Enqueue one at a time",
        x: "producers at once",
        place: |options| (options.workload == Workload::W1).then_some(options.producers),
    },
    Rates {
        file: "workers.svg",
        table: "w3",
        title: "Process tasks to the last commit",
        x: "handlers at once",
        place: |options| (options.workload == Workload::W3).then_some(options.concurrency),
    },
    Rates {
        file: "backlog.svg",
        table: "w5",
        title: "Process 10 at a time while more is waiting",
        x: "tasks waiting",
        place: |options| (options.workload == Workload::W5).then_some(options.backlog),
    },
];

const LATENCY: (&str, &str, &str) = (
    "latency.svg",
    "w4",
    "From enqueue to the handler's start, idle pool",
);

/// Draws all of which something was measured.
pub fn all(results: &Results, folder: &Path) -> Result<()> {
    for rates in &RATES {
        let series = rates.series(results);
        if !series.is_empty() {
            let chart = Chart {
                title: rates.title,
                x: rates.x,
                y: "tasks a second",
                log_y: true,
                series,
            };
            chart.draw(&folder.join(rates.file))?;
        }
    }
    let series = curves(results);
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

/// The chart that belongs to a table, as a line of Markdown.
pub fn links(table: &str) -> String {
    let rates = RATES.iter().find(|rates| rates.table == table);
    let of_latency = (table == LATENCY.1).then_some((LATENCY.0, LATENCY.2));
    let chart = rates.map(|rates| (rates.file, rates.title)).or(of_latency);
    chart.map_or_else(String::new, |(file, title)| {
        format!("\n![{title}](benchmarks/{file})\n")
    })
}

/// No payload, nothing else in the file, in one process.
fn is_plain(options: &Options) -> bool {
    let conditions = [
        options.payload,
        options.future,
        options.foreign,
        options.finished,
        options.queues,
        options.waits,
    ];
    let kept = options.storage == StorageKind::Sqlite;
    kept && options.processes == 1 && conditions.iter().all(|count| *count == 0)
}

impl Rates {
    fn series(&self, results: &Results) -> Vec<Series> {
        let mut found: BTreeMap<String, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
        for line in results.lines().filter(|line| is_plain(&line.options)) {
            if let (Some(x), Some(rate)) = ((self.place)(&line.options), line.outcome.per_second) {
                let places = found.entry(name(line)).or_default();
                places.entry(x).or_default().push(rate);
            }
        }
        let series = found.into_iter().map(|(name, places)| {
            let median = |(x, rates)| Some((x as f64, Spread::of(rates)?.median));
            let points = places.into_iter().filter_map(median).collect();
            Series { name, points }
        });
        sorted(series.collect())
    }
}

fn curves(results: &Results) -> Vec<Series> {
    let mut found: BTreeMap<String, Vec<&[f64]>> = BTreeMap::new();
    for line in results.lines().filter(|line| is_plain(&line.options)) {
        if line.options.workload == Workload::W4 {
            found
                .entry(name(line))
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
        // The slowest one in a hundred would squeeze the rest.
        let points = (1..100).filter_map(median).collect();
        Series { name, points }
    });
    sorted(series.collect())
}

/// Who, how durable, and what else tells it from the others.
fn name(line: &Line) -> String {
    let options = &line.options;
    let more = match (options.prefetch, options.across, options.own_commit) {
        (Some(0), ..) => ", strict",
        (_, true, _) => ", across processes",
        (.., true) => ", own commit",
        _ => "",
    };
    who(line) + more
}

/// OmniQ, then the limit, then the others.
fn sorted(mut series: Vec<Series>) -> Vec<Series> {
    let place = |name: &str| match name {
        name if name.starts_with("OmniQ") => 0,
        name if name.starts_with("raw") => 1,
        _ => 2,
    };
    series.sort_by_key(|series| (place(&series.name), series.name.clone()));
    series
}
