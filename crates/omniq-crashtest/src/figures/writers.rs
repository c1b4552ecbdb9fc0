//! Measures many processes that write into one database at the same time.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::ChildStdout;
use std::time::Duration;

use omniq::call;
use tokio::io::AsyncBufReadExt as _;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::{Harness, HarnessResult, Options, Process, worker};

const DURATION: Duration = Duration::from_secs(5);
const PROCESSES: [usize; 5] = [1, 2, 4, 10, 40];
const CALLERS: [usize; 2] = [1, 16];

/// Measures each number of processes and of callers per process. All of them write without a pause.
pub(super) async fn print(program: &Path) -> HarnessResult<()> {
    for callers in CALLERS {
        for processes in PROCESSES {
            let mut harness = Harness::new(program)?;
            harness.options.concurrency = callers;
            drop(harness.open().await?);
            measure(program, &harness.options, processes)?;
        }
    }
    Ok(())
}

fn measure(program: &Path, options: &Options, processes: usize) -> HarnessResult<()> {
    let mut writers = Vec::new();
    for _ in 0..processes {
        let (process, output) = Process::start(program, "writer", options)?;
        let mut output = BufReader::new(output.ok_or("no output")?);
        next_line(&mut output)?;
        writers.push((process, output));
    }
    for (process, _) in &mut writers {
        process.send_line()?;
    }
    let (mut micros, mut counts) = (Vec::<i64>::new(), Vec::new());
    for (process, mut output) in writers {
        let before = micros.len();
        for duration in next_line(&mut output)?.split_whitespace() {
            micros.push(duration.parse()?);
        }
        counts.push(micros.len() - before);
        process.stop()?;
    }
    let rate = micros.len() as f64 / DURATION.as_secs_f64();
    let fewest = counts.iter().min().copied().unwrap_or_default();
    let most = counts.iter().max().copied().unwrap_or_default();
    let callers = options.concurrency;
    super::row::print_row(
        &format!(
            "{processes} processes of {callers}: {rate:.0} writes/s, {fewest} to {most} per process; one write"
        ),
        micros,
    );
    Ok(())
}

fn next_line(output: &mut BufReader<ChildStdout>) -> HarnessResult<String> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    Ok(line)
}

/// Runs one writer process: waits for a line on standard input, enqueues for some seconds, and prints how long each
/// call took, in microseconds.
///
/// # Errors
///
/// Returns an error if an enqueue fails.
pub async fn run(options: Options) -> HarnessResult<()> {
    let omniq = options.open().await?;
    println!("ready");
    let mut input = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    input.next_line().await?;
    let start = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..options.concurrency {
        let omniq = omniq.clone();
        callers.spawn(async move {
            let mut micros = Vec::new();
            while start.elapsed() < DURATION {
                let called = Instant::now();
                omniq.enqueue(call(worker::WORK).arg(0)).await?;
                micros.push(called.elapsed().as_micros().to_string());
            }
            Ok::<_, omniq::Error>(micros)
        });
    }
    let mut micros = Vec::new();
    while let Some(finished) = callers.join_next().await {
        micros.extend(finished??);
    }
    println!("{}", micros.join(" "));
    input.next_line().await?;
    Ok(())
}
