//! Runs contenders in turn (A, B, A, B …) and prints medians, extremes and ratios: on a machine whose
//! speed drifts, only programs that took turns can be compared.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;
use serde_json::Value;

#[derive(Parser)]
struct Options {
    /// How often each pair runs.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The folder with the contenders' programs.
    #[arg(long)]
    programs: PathBuf,
    /// Where the databases go.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// A row: what it is called, and the options of both contenders and of OmniQ's and the limit's own.
const ROWS: [(&str, &str, &str, &str); 8] = [
    (
        "W1 1 producer",
        "--workload w1 --producers 1 --n 10000",
        "",
        "",
    ),
    (
        "W1 16 producers",
        "--workload w1 --producers 16 --n 80000",
        "",
        "",
    ),
    (
        "W1 64 producers",
        "--workload w1 --producers 64 --n 128000",
        "",
        "",
    ),
    (
        "W1 1000 producers",
        "--workload w1 --producers 1000 --n 200000",
        "",
        "",
    ),
    (
        "W3 1, strict",
        "--workload w3 --concurrency 1 --n 10000",
        "--prefetch 0",
        "",
    ),
    (
        "W3 10, default prefetch",
        "--workload w3 --concurrency 10",
        "",
        "--prefetch 256",
    ),
    (
        "W3 100, strict",
        "--workload w3 --concurrency 100",
        "--prefetch 0",
        "",
    ),
    (
        "W3 100, default prefetch",
        "--workload w3 --concurrency 100",
        "",
        "--prefetch 256",
    ),
];

fn main() -> ExitCode {
    let options = Options::parse();
    println!(
        "tasks a second at durability full, payload {{\"n\": i}}; median (min to max) of {} rounds in turn\n",
        options.rounds
    );
    println!("| workload | OmniQ | raw limit | ratio |\n| --- | --- | --- | --- |");
    for (name, both, ours, limit) in ROWS {
        let (mut omniq, mut raw) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            for (program, own, rates) in [
                ("bench-omniq", ours, &mut omniq),
                ("bench-limit", limit, &mut raw),
            ] {
                match rate(&options, program, &format!("{both} {own}")) {
                    Ok(rate) => rates.push(rate),
                    Err(error) => {
                        eprintln!("{program} {both} {own}: {error}");
                        return ExitCode::FAILURE;
                    }
                }
            }
        }
        let ratios: Vec<f64> = omniq.iter().zip(&raw).map(|(a, b)| a / b).collect();
        let ratio = median(&ratios);
        println!(
            "| {name} | {} | {} | {ratio:.2} |",
            spread(&omniq),
            spread(&raw)
        );
    }
    ExitCode::SUCCESS
}

fn rate(options: &Options, program: &str, args: &str) -> Result<f64, Box<dyn std::error::Error>> {
    let out = Command::new(options.programs.join(program))
        .args(args.split_whitespace())
        .args(["--json", "--dir"])
        .arg(&options.dir)
        .output()?;
    let text = String::from_utf8(out.stdout)?;
    let line = text
        .lines()
        .last()
        .ok_or_else(|| String::from_utf8_lossy(&out.stderr).into_owned())?;
    let line: Value = serde_json::from_str(line)?;
    line["per_second"]
        .as_f64()
        .ok_or_else(|| "no per_second".into())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn spread(rates: &[f64]) -> String {
    let min = rates.iter().copied().fold(f64::INFINITY, f64::min);
    let max = rates.iter().copied().fold(0.0, f64::max);
    format!(
        "{} ({} to {})",
        thousands(median(rates)),
        thousands(min),
        thousands(max)
    )
}

fn thousands(rate: f64) -> String {
    format!("{:.1}k", rate / 1000.0)
}
