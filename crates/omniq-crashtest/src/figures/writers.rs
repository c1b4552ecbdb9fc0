use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::ChildStdout;
use std::time::Duration;

use omniq::call;
use tokio::io::AsyncBufReadExt as _;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::{Options, Outcome, Process, Scene, worker};

const SPAN: Duration = Duration::from_secs(5);
const PROCESSES: [usize; 5] = [1, 2, 4, 10, 40];
const CALLERS: [usize; 2] = [1, 16];

/// Many processes that write into one database, all at once and without a pause.
pub(super) async fn print(program: &Path) -> Outcome<()> {
    for callers in CALLERS {
        for processes in PROCESSES {
            let mut scene = Scene::new(program)?;
            scene.options.concurrency = callers;
            drop(scene.open().await?);
            round(program, &scene.options, processes)?;
        }
    }
    Ok(())
}

fn round(program: &Path, options: &Options, processes: usize) -> Outcome<()> {
    let mut writers = Vec::new();
    for _ in 0..processes {
        let (process, said) = Process::start(program, "writer", options)?;
        let mut said = BufReader::new(said.ok_or("no output")?);
        next(&mut said)?;
        writers.push((process, said));
    }
    for (process, _) in &mut writers {
        process.go()?;
    }
    let (mut spans, mut counts) = (Vec::<i64>::new(), Vec::new());
    for (process, mut said) in writers {
        let before = spans.len();
        for span in next(&mut said)?.split_whitespace() {
            spans.push(span.parse()?);
        }
        counts.push(spans.len() - before);
        process.stop()?;
    }
    let rate = spans.len() as f64 / SPAN.as_secs_f64();
    let fewest = counts.iter().min().copied().unwrap_or_default();
    let most = counts.iter().max().copied().unwrap_or_default();
    let callers = options.concurrency;
    super::row(
        &format!(
            "{processes} processes of {callers}: {rate:.0} writes/s, {fewest} to {most} each; one write"
        ),
        spans,
    );
    Ok(())
}

fn next(said: &mut BufReader<ChildStdout>) -> Outcome<String> {
    let mut line = String::new();
    said.read_line(&mut line)?;
    Ok(line)
}

/// Such a process: enqueues for some seconds once it is told to go, and prints how long each call took.
///
/// # Errors
///
/// If an enqueue fails.
pub async fn run(options: Options) -> Outcome<()> {
    let omniq = options.open().await?;
    println!("ready");
    let mut input = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    input.next_line().await?;
    let start = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..options.concurrency {
        let omniq = omniq.clone();
        callers.spawn(async move {
            let mut spans = Vec::new();
            while start.elapsed() < SPAN {
                let called = Instant::now();
                omniq.enqueue(call(worker::NOTE).arg(0)).await?;
                spans.push(called.elapsed().as_micros().to_string());
            }
            Ok::<_, omniq::Error>(spans)
        });
    }
    let mut spans = Vec::new();
    while let Some(ended) = callers.join_next().await {
        spans.extend(ended??);
    }
    println!("{}", spans.join(" "));
    input.next_line().await?;
    Ok(())
}
