//! A producer process: enqueues until its standard input ends, then waits for all of it to finish.

use std::sync::Arc;
use std::time::Duration;

use omniq::{AsyncOmniQ, call};
use tokio::io::AsyncReadExt as _;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::{Line, Log, Mark, Options, Outcome, worker};

/// So many tasks of a producer are unfinished at the same time, at most.
const BACKLOG: usize = 100;
/// So many enqueues of a producer are under way at the same time.
const CALLERS: u64 = 4;
/// A task may be marked by several deaths in a row, and waits longer after each.
const PATIENCE: Duration = Duration::from_secs(120);
/// A task works for less than this, in milliseconds.
const LONGEST: u64 = 10;

/// Enqueues until standard input ends. Each enqueue that returned is noted in the log.
///
/// # Errors
///
/// If an enqueue fails, or a task does not succeed.
pub async fn run(options: Options) -> Outcome<()> {
    let log = Arc::new(Log::open(&options.log)?);
    let omniq = options.open().await?;
    println!("ready");
    let (closing, closed) = watch::channel(false);
    let room = Arc::new(Semaphore::new(BACKLOG));
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let dice = fastrand::Rng::with_seed(options.seed.wrapping_mul(CALLERS) + number);
        let (omniq, log, room) = (omniq.clone(), Arc::clone(&log), Arc::clone(&room));
        callers.spawn(enqueue_until(closed.clone(), omniq, log, room, dice));
    }
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    closing.send(true)?;
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(())
}

async fn enqueue_until(
    closed: watch::Receiver<bool>,
    omniq: AsyncOmniQ,
    log: Arc<Log>,
    room: Arc<Semaphore>,
    mut dice: fastrand::Rng,
) -> Outcome<()> {
    let mut waits = JoinSet::new();
    while !*closed.borrow() {
        let place = Arc::clone(&room).acquire_owned().await?;
        let order = call(worker::NOTE).arg(dice.u64(..LONGEST));
        let handle = omniq.enqueue(order).await?;
        log.note(Line::now(Mark::Ordered, handle.id(), 0))?;
        waits.spawn(async move {
            let _place = place;
            handle.wait(PATIENCE).await
        });
    }
    while let Some(ended) = waits.join_next().await {
        ended??;
    }
    Ok(())
}
