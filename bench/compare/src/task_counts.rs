//! Chooses the number of tasks of each run: enough for a stable result, few enough for a short wait.

use crate::options::Options;
use crate::row::Run;

/// Returns about as many tasks as the contender processes in three seconds on a small machine. The number is smaller
/// for contenders that slow down when there are many tasks.
pub fn tasks(run: &Run, options: &Options) -> usize {
    let by_length = if options.short { 0.25 } else { 1.0 };
    let payload: usize = option_number(run, "--payload").unwrap_or_default();
    let by_payload = 1.0 / (1.0 + payload as f64 / 1_000.0);
    let by_storage = if option_text(run, "--storage") == "file" {
        0.2
    } else {
        1.0
    };
    let n = base_count(run) as f64 * by_length * by_payload * by_storage * options.scale;
    // A call of W2 takes 1,000 tasks. Fewer than a few calls per producer would mean nothing.
    let minimum = match option_text(run, "--workload") {
        "w2" => 2_000,
        _ => 4 * option_number(run, "--producers").unwrap_or(1),
    };
    (n as usize).max(minimum)
}

fn base_count(run: &Run) -> usize {
    let memory = option_text(run, "--storage") == "memory";
    match option_text(run, "--workload") {
        "w1" => enqueue_count(run, memory),
        "w2" if run.contender == "apalis1" => 40_000,
        "w2" => 300_000,
        "w3" => process_count(run, memory),
        "w4" => latency_count(run),
        "w5" if matches!(run.contender, "omniq" | "limit") => 40_000,
        "w5" => 4_000,
        "day" => 240_000,
        other => unreachable!("{other} is not a workload of the matrix"),
    }
}

fn enqueue_count(run: &Run, memory: bool) -> usize {
    let producers = option_number(run, "--producers").unwrap_or(1);
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

fn process_count(run: &Run, memory: bool) -> usize {
    let one = option_number(run, "--concurrency") == Some(1);
    let strict = option_number(run, "--prefetch") == Some(0);
    match run.contender {
        _ if memory => 500_000,
        "omniq" | "limit" if one && strict => 10_000,
        "omniq" | "limit" => 100_000,
        "effectum" if one => 8_000,
        "effectum" => 30_000,
        "huey" => 4_000,
        // It processes at most 100 tasks per second.
        "apalis07" if run.args.contains("--as-shipped") => 400,
        // These process 700 tasks per second if there are 1,000, but only 200 per second if there are 10,000.
        _ => 1_000,
    }
}

fn latency_count(run: &Run) -> usize {
    match run.contender {
        // Every queue is checked for each task.
        _ if run.args.contains("--queues") => 40,
        // Each task takes a second.
        "apalis07" => 20,
        // Each task takes tens of milliseconds.
        "huey" | "fang" => 100,
        _ => 1_000,
    }
}

fn option_text<'a>(run: &'a Run, option: &str) -> &'a str {
    let mut words = run.args.split(' ');
    words.find(|word| *word == option);
    words.next().unwrap_or_default()
}

fn option_number(run: &Run, option: &str) -> Option<usize> {
    option_text(run, option).parse().ok()
}
