//! A worker process: `omniq-crashtest DB LOG CONCURRENCY`. Says `ready` once it works, and stops when its
//! standard input ends.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::sync::Arc;

use omniq::TaskError;
use omniq_crashtest::{Line, Log, TASK, open};
use tokio::io::AsyncReadExt as _;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = || {
        args.next()
            .ok_or("usage: omniq-crashtest DB LOG CONCURRENCY")
    };
    let db = PathBuf::from(next()?);
    let log = Arc::new(Log::open(&PathBuf::from(next()?))?);
    let concurrency = next()?.parse()?;
    let omniq = open(&db).await?;
    let pool = omniq
        .worker()
        .concurrency(concurrency)
        .handler(TASK, move |ctx, args| {
            let log = log.clone();
            async move {
                let (n, work): (u64, u32) = args.bind(&["n", "work"])?;
                let mut line = Line {
                    n,
                    lease: ctx.lease(),
                    process: std::process::id(),
                    end: false,
                };
                log.note(line).map_err(TaskError::fatal)?;
                for _ in 0..work {
                    tokio::task::yield_now().await;
                }
                line.end = true;
                log.note(line).map_err(TaskError::fatal)?;
                Ok(n)
            }
        })
        .start()
        .await?;
    println!("ready");
    let mut rest = Vec::new();
    tokio::io::stdin().read_to_end(&mut rest).await?;
    pool.stop().await?;
    Ok(())
}
