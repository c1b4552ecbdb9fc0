//! A worker process. It prints `ready` when its pool has started, lets one [`WAIT`] task continue for each line on its
//! standard input, and stops when standard input ends.

use std::sync::Arc;
use std::time::Duration;

use omniq::{AsyncOmniQ, EventKind, TaskContext, TaskError, WorkerBuilder};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::Semaphore;

use crate::{HarnessResult, Line, Log, Mark, Options};

/// `(work)`: works for this many milliseconds.
pub const WORK: &str = "crashtest.work";
/// Aborts its process.
pub const POISON: &str = "crashtest.poison";
/// Runs until its cancellation token fires.
pub const CANCEL_ME: &str = "crashtest.cancel_me";
/// Runs until its process receives a line, and ignores its cancellation token. Returns the process id.
pub const WAIT: &str = "crashtest.wait";

/// The state that the handlers of a process share.
#[derive(Clone)]
struct WorkerState {
    log: Arc<Log>,
    released: Arc<Semaphore>,
}

impl WorkerState {
    fn record(&self, mark: Mark, ctx: &TaskContext) -> Result<(), TaskError> {
        let line = Line::now(mark, ctx.id(), ctx.lease());
        self.log.append(line).map_err(TaskError::fatal)
    }
}

/// Processes tasks until standard input ends.
///
/// # Errors
///
/// Returns an error if the queue or the log can't be used.
pub async fn run(options: Options) -> HarnessResult<()> {
    let state = WorkerState {
        log: Arc::new(Log::open(&options.log)?),
        released: Arc::new(Semaphore::new(0)),
    };
    let omniq = options.open().await?;
    tokio::spawn(record_takeovers(omniq.clone(), state.clone()));
    let worker = omniq.worker().concurrency(options.concurrency);
    let pool = handlers(worker, &state).start().await?;
    println!("ready");
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    while input.next_line().await?.is_some() {
        state.released.add_permits(1);
    }
    pool.stop().await?;
    Ok(())
}

fn handlers(worker: WorkerBuilder, state: &WorkerState) -> WorkerBuilder {
    let [work, poison, cancel_me, wait] =
        [state.clone(), state.clone(), state.clone(), state.clone()];
    worker
        .handler(WORK, move |ctx, args| {
            let state = work.clone();
            async move {
                let (millis,): (u64,) = args.bind(&["work"])?;
                state.record(Mark::Start, &ctx)?;
                tokio::time::sleep(Duration::from_millis(millis)).await;
                state.record(Mark::End, &ctx)
            }
        })
        .handler(POISON, move |ctx, _| {
            let state = poison.clone();
            async move {
                state.record(Mark::Start, &ctx)?;
                state.record(Mark::Abort, &ctx)?;
                abort().await
            }
        })
        .handler(CANCEL_ME, move |ctx, _| {
            let state = cancel_me.clone();
            async move {
                state.record(Mark::Start, &ctx)?;
                ctx.cancelled().await;
                state.record(Mark::TokenFired, &ctx)
            }
        })
        .handler(WAIT, move |ctx, _| {
            let state = wait.clone();
            async move {
                state.record(Mark::Start, &ctx)?;
                let permit = state.released.acquire().await.map_err(TaskError::fatal)?;
                permit.forget();
                state.record(Mark::End, &ctx)?;
                Ok(std::process::id())
            }
        })
}

async fn abort() -> Result<(), TaskError> {
    std::process::abort()
}

async fn record_takeovers(omniq: AsyncOmniQ, state: WorkerState) {
    let mut events = omniq.events();
    while let Some(event) = events.next().await {
        if event.kind == EventKind::TakenOver {
            // A test that needs the line fails without it.
            let _ = state.log.append(Line::now(Mark::TakenOver, event.id, 0));
        }
    }
}
