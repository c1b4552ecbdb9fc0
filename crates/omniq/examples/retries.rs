//! What becomes of failures: tried again with a growing wait, given up at once, or tried when it was asked for.
//!
//! ```text
//! cargo run --example retries
//! ```
#![allow(clippy::print_stdout)]

use std::io;
use std::time::Duration;

use omniq::{AsyncOmniQ, ResultExt as _, TaskContext, TaskError};

/// Any error is a failed attempt. The next one comes after 100 ms, then 200 ms, then 400 ms, up to 2 s.
#[omniq::task(max_attempts = 5, backoff = "100ms..2s")]
async fn fetch(ctx: TaskContext, url: String) -> io::Result<String> {
    println!("fetch: attempt {}", ctx.attempt());
    if ctx.attempt() < 3 {
        return Err(io::Error::other("connection reset"));
    }
    Ok(format!("the page at {url}"))
}

/// What is no number today will be none tomorrow: `fatal` skips the attempts that are left.
#[omniq::task(max_attempts = 5)]
async fn read_number(text: String) -> Result<u32, TaskError> {
    println!("read_number: reading {text:?}");
    text.parse::<u32>().fatal()
}

/// A server that says when to come again has the last word on the wait.
#[omniq::task]
async fn send(ctx: TaskContext) -> Result<u16, TaskError> {
    println!("send: attempt {}", ctx.attempt());
    match ctx.attempt() {
        1 => Err(TaskError::retry_after(Duration::from_millis(300))),
        _ => Ok(200),
    }
}

/// An attempt that takes too long has failed; so has one that panics.
#[omniq::task(max_attempts = 2, timeout = "100ms", backoff = "50ms")]
async fn hang() {
    println!("hang: waiting for what never comes");
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
    assert_eq!(failures, 2, "they are kept");

    let sent = omniq.enqueue(send::with()).await?;
    println!("send gave: {}\n", sent.wait(limit).await?);

    let read = omniq.enqueue(read_number::with("ten".into())).await?;
    tell_failure(read.wait(limit).await, "ParseIntError", 0);
    let hung = omniq.enqueue(hang::with()).await?;
    tell_failure(hung.wait(limit).await, "timeout", 1);

    pool.stop().await?;
    Ok(())
}

fn tell_failure<T>(outcome: omniq::Result<T>, error_type: &str, retries: u32) {
    let error = outcome.err();
    if let Some(error) = &error {
        println!("{error}\n");
    }
    let failure = error.as_ref().and_then(|error| error.task_error());
    let failure = failure.map(|it| (it.error_type.as_str(), it.retry_count));
    assert_eq!(failure, Some((error_type, retries)));
}
