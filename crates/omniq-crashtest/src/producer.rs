//! A producer process: enqueues tasks until its standard input ends, then waits until all of them have finished.

use std::sync::Arc;
use std::time::Duration;

use omniq::{AsyncOmniQ, call};
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::{HarnessResult, Line, Log, Mark, Options, worker};

/// The maximum number of unfinished tasks of one producer.
const MAX_UNFINISHED: usize = 100;
/// The number of tasks of one producer that enqueue concurrently.
const CALLERS: u64 = 4;
/// The time limit for one task. Several deaths in a row may hit the same task, and its wait grows after each of them.
const TASK_TIMEOUT: Duration = Duration::from_secs(120);
/// A task works for less than this, in milliseconds.
const MAX_WORK_MS: u64 = 10;

/// Enqueues tasks until standard input ends. Logs each enqueue that returned.
///
/// # Errors
///
/// Returns an error if an enqueue fails, or if a task does not succeed.
pub async fn run(options: Options) -> HarnessResult<()> {
    let log = Arc::new(Log::open(&options.log)?);
    let omniq = options.open().await?;
    println!("ready");
    let (stop_sender, stop_requested) = watch::channel(false);
    let permits = Arc::new(Semaphore::new(MAX_UNFINISHED));
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let random = fastrand::Rng::with_seed(options.seed.wrapping_mul(CALLERS) + number);
        let (omniq, log, permits) = (omniq.clone(), Arc::clone(&log), Arc::clone(&permits));
        callers.spawn(enqueue_until_stopped(
            stop_requested.clone(),
            omniq,
            log,
            permits,
            random,
        ));
    }
    let mut ignored = Vec::new();
    tokio::io::stdin().read_to_end(&mut ignored).await?;
    stop_sender.send(true)?;
    while let Some(finished) = callers.join_next().await {
        finished??;
    }
    Ok(())
}

async fn enqueue_until_stopped(
    stop_requested: watch::Receiver<bool>,
    omniq: AsyncOmniQ,
    log: Arc<Log>,
    permits: Arc<Semaphore>,
    mut random: fastrand::Rng,
) -> HarnessResult<()> {
    let mut waits = JoinSet::new();
    while !*stop_requested.borrow() {
        let permit = Arc::clone(&permits).acquire_owned().await?;
        let order = call(worker::WORK).arg(random.u64(..MAX_WORK_MS));
        let handle = omniq.enqueue(order).await?;
        log.append(Line::now(Mark::Ordered, handle.id(), 0))?;
        waits.spawn(async move {
            let _permit = permit;
            handle.wait(TASK_TIMEOUT).await
        });
    }
    while let Some(finished) = waits.join_next().await {
        finished??;
    }
    Ok(())
}
