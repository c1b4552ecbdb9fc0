//! A worker process. It tells its parent by lines on its standard output: `ready` when it has opened the file;
//! then what has started; at the end, when its pool has stopped, `ran` and the numbers of its tasks.

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
use crate::trouble::Troubles;

/// How often a child tells how many of its tasks have started.
const TELL: Duration = Duration::from_millis(2);

pub async fn main(options: &Options, folder: &Path, troubles: &Troubles) -> ExitCode {
    let worked = match options.workload {
        Workload::W4 => tell_each(options, folder).await,
        _ => tell_counts(options, folder).await,
    };
    match worked.and_then(|()| troubles.none()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

fn orders() -> Lines<BufReader<Stdin>> {
    BufReader::new(tokio::io::stdin()).lines()
}

/// W3: works from the first line that it hears until its standard input ends.
async fn tell_counts(options: &Options, folder: &Path) -> Result<()> {
    let queue = Queue::open(options, folder).await?;
    let runs = Arc::new(Runs::new(options.n(), 0));
    let mut orders = orders();
    say("ready")?;
    orders.next_line().await?;
    let pool = queue.start(Arc::clone(&runs)).await?;
    let mut told = 0;
    loop {
        tokio::select! {
            _ = orders.next_line() => break,
            () = tokio::time::sleep(TELL) => {}
        }
        let ran = runs.ran();
        if ran > told {
            told = ran;
            say(&format!("count {ran}"))?;
        }
    }
    queue.stop(pool, 0).await?;
    let numbers: Vec<usize> = runs.which().collect();
    say(&format!(
        "ran {} {}",
        runs.again(),
        serde_json::to_string(&numbers)?
    ))
}

/// The time at which each handler starts goes to the parent.
#[omniq::task(name = "noop")]
async fn noop(said: State<UnboundedSender<String>>, n: usize) {
    // The receiver lives as long as the pool.
    let _ = said.send(format!("start {n} {}", clock::nanos()));
}

/// W4: works until its standard input ends.
async fn tell_each(options: &Options, folder: &Path) -> Result<()> {
    let omniq = AsyncOmniQ::with_settings(queue::settings(options, folder)?).await?;
    let (said, mut heard) = unbounded_channel::<String>();
    let worker = omniq.worker().concurrency(options.concurrency);
    let pool = worker.task::<noop>().state(said).start().await?;
    let mut orders = orders();
    say("ready")?;
    loop {
        tokio::select! {
            _ = orders.next_line() => break,
            Some(text) = heard.recv() => say(&text)?,
        }
    }
    pool.stop().await?;
    Ok(())
}
