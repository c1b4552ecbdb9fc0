//! How many tasks each run gets: enough to be measured, few enough to be waited for.

use crate::options::Options;
use crate::row::Run;

/// About what a contender does in three seconds on a small machine, or fewer where it slows down with their number.
pub fn tasks(run: &Run, options: &Options) -> usize {
    let shrink = if options.short { 0.25 } else { 1.0 };
    let payload: usize = number(run, "--payload").unwrap_or_default();
    let by_payload = 1.0 / (1.0 + payload as f64 / 1_000.0);
    let by_storage = if word(run, "--storage") == "file" {
        0.2
    } else {
        1.0
    };
    let n = of_workload(run) as f64 * shrink * by_payload * by_storage * options.scale;
    // A call of W2 takes 1,000; a few calls of each producer are the least that says anything.
    let least = match word(run, "--workload") {
        "w2" => 2_000,
        _ => 4 * number(run, "--producers").unwrap_or(1),
    };
    (n as usize).max(least)
}

fn of_workload(run: &Run) -> usize {
    let memory = word(run, "--storage") == "memory";
    match word(run, "--workload") {
        "w1" => of_enqueue(run, memory),
        "w2" if run.contender == "apalis1" => 40_000,
        "w2" => 300_000,
        "w3" => of_process(run, memory),
        "w4" => of_latency(run),
        "w5" if matches!(run.contender, "omniq" | "limit") => 40_000,
        "w5" => 4_000,
        "day" => 240_000,
        other => unreachable!("{other} is no workload of the matrix"),
    }
}

fn of_enqueue(run: &Run, memory: bool) -> usize {
    let producers = number(run, "--producers").unwrap_or(1);
    match (run.contender, producers) {
        _ if memory => 1_000_000,
        ("omniq" | "limit", 1) => 20_000,
        ("omniq" | "limit", 16) => 100_000,
        ("omniq" | "limit", _) => 250_000,
        ("effectum", _) if run.args.contains("--as-shipped") => 2_000,
        ("effectum", 1) => 20_000,
        ("effectum", _) => 80_000,
        _ => 6_000,
    }
}

fn of_process(run: &Run, memory: bool) -> usize {
    let one = number(run, "--concurrency") == Some(1);
    let strict = number(run, "--prefetch") == Some(0);
    match run.contender {
        _ if memory => 500_000,
        "omniq" | "limit" if one && strict => 10_000,
        "omniq" | "limit" => 100_000,
        "effectum" if one => 8_000,
        "effectum" => 30_000,
        "huey" => 4_000,
        // At most 100 a second.
        "apalis07" if run.args.contains("--as-shipped") => 400,
        // 0.7k a second of 1,000, but 0.2k of 10,000.
        _ => 1_000,
    }
}

fn of_latency(run: &Run) -> usize {
    match run.contender {
        // Every queue is looked at.
        _ if run.args.contains("--queues") => 40,
        // A second each.
        "apalis07" => 20,
        // Tens of milliseconds each.
        "huey" | "fang" => 100,
        _ => 1_000,
    }
}

fn word<'a>(run: &'a Run, option: &str) -> &'a str {
    let mut words = run.args.split(' ');
    words.find(|word| *word == option);
    words.next().unwrap_or_default()
}

fn number(run: &Run, option: &str) -> Option<usize> {
    word(run, option).parse().ok()
}
