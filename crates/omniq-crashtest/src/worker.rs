//! A worker process. It says `ready` once it works, lets one [`WAIT`] task go on for each line of its
//! standard input, and stops when that ends.

use std::sync::Arc;
use std::time::Duration;

use omniq::{AsyncOmniQ, EventKind, TaskContext, TaskError, WorkerBuilder};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::Semaphore;

use crate::{Line, Log, Mark, Options, Outcome};

/// `(work)`: works for so many milliseconds.
pub const NOTE: &str = "crashtest.note";
/// Aborts its process.
pub const POISON: &str = "crashtest.poison";
/// Runs until its token fires.
pub const CANCEL_ME: &str = "crashtest.cancel_me";
/// Runs until its process is told to go on, whatever its token says. Returns the process id.
pub const WAIT: &str = "crashtest.wait";

/// What the handlers of a process share.
#[derive(Clone)]
struct Desk {
    log: Arc<Log>,
    go: Arc<Semaphore>,
}

impl Desk {
    fn note(&self, mark: Mark, ctx: &TaskContext) -> Result<(), TaskError> {
        let line = Line::now(mark, ctx.id(), ctx.lease());
        self.log.note(line).map_err(TaskError::fatal)
    }
}

/// Works until standard input ends.
///
/// # Errors
///
/// If the queue or the log can't be used.
pub async fn run(options: Options) -> Outcome<()> {
    let desk = Desk {
        log: Arc::new(Log::open(&options.log)?),
        go: Arc::new(Semaphore::new(0)),
    };
    let omniq = options.open().await?;
    tokio::spawn(note_takeovers(omniq.clone(), desk.clone()));
    let worker = omniq.worker().concurrency(options.concurrency);
    let pool = handlers(worker, &desk).start().await?;
    println!("ready");
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    while input.next_line().await?.is_some() {
        desk.go.add_permits(1);
    }
    pool.stop().await?;
    Ok(())
}

fn handlers(worker: WorkerBuilder, desk: &Desk) -> WorkerBuilder {
    let [note, poison, cancel_me, wait] = [desk.clone(), desk.clone(), desk.clone(), desk.clone()];
    worker
        .handler(NOTE, move |ctx, args| {
            let desk = note.clone();
            async move {
                let (work,): (u64,) = args.bind(&["work"])?;
                desk.note(Mark::Start, &ctx)?;
                tokio::time::sleep(Duration::from_millis(work)).await;
                desk.note(Mark::End, &ctx)
            }
        })
        .handler(POISON, move |ctx, _| {
            let desk = poison.clone();
            async move {
                desk.note(Mark::Start, &ctx)?;
                desk.note(Mark::Abort, &ctx)?;
                abort().await
            }
        })
        .handler(CANCEL_ME, move |ctx, _| {
            let desk = cancel_me.clone();
            async move {
                desk.note(Mark::Start, &ctx)?;
                ctx.cancelled().await;
                desk.note(Mark::TokenFired, &ctx)
            }
        })
        .handler(WAIT, move |ctx, _| {
            let desk = wait.clone();
            async move {
                desk.note(Mark::Start, &ctx)?;
                let going = desk.go.acquire().await.map_err(TaskError::fatal)?;
                going.forget();
                desk.note(Mark::End, &ctx)?;
                Ok(std::process::id())
            }
        })
}

async fn abort() -> Result<(), TaskError> {
    std::process::abort()
}

async fn note_takeovers(omniq: AsyncOmniQ, desk: Desk) {
    let mut events = omniq.events();
    while let Some(event) = events.next().await {
        if event.kind == EventKind::TakenOver {
            // Whoever misses the line says so.
            let _ = desk.log.note(Line::now(Mark::TakenOver, event.id, 0));
        }
    }
}
