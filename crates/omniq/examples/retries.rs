//! Failed attempts: retried with a growing wait, failed immediately, or retried when the handler asks for it.
//!
//! ```text
//! cargo run --example retries
//! ```
#![allow(clippy::print_stdout)]

use std::io;
use std::time::Duration;

use omniq::{AsyncOmniQ, ResultExt as _, TaskContext, TaskError};

/// Any error fails the attempt. The next attempts come after 100 ms, then 200 ms, then 400 ms, up to 2 s.
#[omniq::task(max_attempts = 5, backoff = "100ms..2s")]
async fn fetch(ctx: TaskContext, url: String) -> io::Result<String> {
    println!("fetch: attempt {}", ctx.attempt());
    if ctx.attempt() < 3 {
        return Err(io::Error::other("connection reset"));
    }
    Ok(format!("the page at {url}"))
}

/// A text that is not a number will not become one: `fatal` skips the remaining attempts.
#[omniq::task(max_attempts = 5)]
async fn read_number(text: String) -> Result<u32, TaskError> {
    println!("read_number: reading {text:?}");
    text.parse::<u32>().fatal()
}

/// If a server says when to try again, `retry_after` sets that wait.
#[omniq::task]
async fn send(ctx: TaskContext) -> Result<u16, TaskError> {
    println!("send: attempt {}", ctx.attempt());
    match ctx.attempt() {
        1 => Err(TaskError::retry_after(Duration::from_millis(300))),
        _ => Ok(200),
    }
}

/// An attempt that exceeds its time limit fails, and so does one that panics.
#[omniq::task(max_attempts = 2, timeout = "100ms", backoff = "50ms")]
async fn hang() {
    println!("hang: waiting forever");
    std::future::pending().await
}

#[tokio::main]
async fn main() -> omniq::Result<()> {
    let omniq = AsyncOmniQ::connect("memory:").await?;
    let worker = omniq.worker().task::<fetch>().task::<read_number>();
    let pool = worker.task::<send>().task::<hang>().start().await?;
    let limit = Duration::from_secs(10);

    let fetched = omniq.enqueue(fetch::with("example.org".into())).await?;
    println!("fetch gave: {}\n", fetched.wait(limit).await?);
    let task = omniq.get_task(fetched.id()).await?;
    let failures = task.map_or(0, |task| task.errors.len());
    assert_eq!(failures, 2, "the error of each failed attempt is stored");

    let sent = omniq.enqueue(send::with()).await?;
    println!("send gave: {}\n", sent.wait(limit).await?);

    let read = omniq.enqueue(read_number::with("ten".into())).await?;
    print_failure(read.wait(limit).await, "ParseIntError", 0);
    let hung = omniq.enqueue(hang::with()).await?;
    print_failure(hung.wait(limit).await, "timeout", 1);

    pool.stop().await?;
    Ok(())
}

fn print_failure<T>(outcome: omniq::Result<T>, error_type: &str, retries: u32) {
    let error = outcome.err();
    if let Some(error) = &error {
        println!("{error}\n");
    }
    let failure = error.as_ref().and_then(|error| error.task_error());
    let failure = failure.map(|failure| (failure.error_type.as_str(), failure.retry_count));
    assert_eq!(failure, Some((error_type, retries)));
}
