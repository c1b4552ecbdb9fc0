//! A worker process. It reports to its parent with lines on its standard output: `ready` when it has opened the file,
//! then which tasks have started, and in W3 `ran` with the numbers of its tasks when its pool has stopped.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bench_harness::{Contender as _, Options, Result, Runs, Workload, clock};
use omniq::{AsyncOmniQ, State};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::queue::{self, Queue};
use crate::warnings::Warnings;

/// How often a worker process reports the number of its started tasks.
const REPORT_INTERVAL: Duration = Duration::from_millis(2);

pub async fn main(options: &Options, folder: &Path, warnings: &Warnings) -> ExitCode {
    let result = match options.workload {
        Workload::W4 => report_starts(options, folder).await,
        _ => report_counts(options, folder).await,
    };
    match result.and_then(|()| warnings.expect_none()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn print_line(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

fn input_lines() -> Lines<BufReader<Stdin>> {
    BufReader::new(tokio::io::stdin()).lines()
}

/// W3: processes tasks from the first line on standard input until its end.
async fn report_counts(options: &Options, folder: &Path) -> Result<()> {
    let queue = Queue::open(options, folder).await?;
    let runs = Arc::new(Runs::new(options.n(), 0));
    let mut input = input_lines();
    print_line("ready")?;
    input.next_line().await?;
    let pool = queue.start(Arc::clone(&runs)).await?;
    let mut reported = 0;
    loop {
        tokio::select! {
            _ = input.next_line() => break,
            () = tokio::time::sleep(REPORT_INTERVAL) => {}
        }
        let ran = runs.ran();
        if ran > reported {
            reported = ran;
            print_line(&format!("count {ran}"))?;
        }
    }
    queue.stop(pool, 0).await?;
    let numbers: Vec<usize> = runs.ran_tasks().collect();
    print_line(&format!(
        "ran {} {}",
        runs.ran_again(),
        serde_json::to_string(&numbers)?
    ))
}

/// Reports the time of its start to the parent.
#[omniq::task(name = "noop")]
async fn noop(reports: State<UnboundedSender<String>>, n: usize) {
    // The receiver lives longer than the pool.
    let _ = reports.send(format!("start {n} {}", clock::nanos()));
}

/// W4: processes tasks until standard input ends.
async fn report_starts(options: &Options, folder: &Path) -> Result<()> {
    let omniq = AsyncOmniQ::with_settings(queue::settings(options, folder)?).await?;
    let (sender, mut reports) = unbounded_channel::<String>();
    let worker = omniq.worker().concurrency(options.concurrency);
    let pool = worker.task::<noop>().state(sender).start().await?;
    let mut input = input_lines();
    print_line("ready")?;
    loop {
        tokio::select! {
            _ = input.next_line() => break,
            Some(text) = reports.recv() => print_line(&text)?,
        }
    }
    pool.stop().await?;
    Ok(())
}
