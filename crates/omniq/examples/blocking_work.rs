//! Work that keeps a thread busy. A plain `fn` runs on a thread of its own and can't be stopped from outside, so it checks
//! `ctx.is_cancelled()` from time to time and returns.
//!
//! ```text
//! cargo run --example blocking_work
//! ```
#![allow(clippy::print_stdout)]

use std::time::Duration;

use omniq::{AsyncOmniQ, ErrorKind, EventKind, TaskContext, TaskError};

/// Counts the primes below a number. `is_cancelled` is true once the task is cancelled or its time limit has expired.
#[omniq::task(timeout = "1s", max_attempts = 1)]
fn count_primes(ctx: TaskContext, below: u64) -> Result<u64, TaskError> {
    let mut count = 0;
    for number in 2..below {
        if number.is_multiple_of(1_000) && ctx.is_cancelled() {
            println!("below {below}: asked to stop at {number}");
            return Err(TaskError::fatal("asked to stop"));
        }
        count += u64::from(is_prime(number));
    }
    Ok(count)
}

fn is_prime(number: u64) -> bool {
    let mut divisors = (2..).take_while(|divisor| divisor * divisor <= number);
    divisors.all(|divisor| !number.is_multiple_of(divisor))
}

#[tokio::main]
async fn main() -> omniq::Result<()> {
    let omniq = AsyncOmniQ::connect("memory:").await?;
    let mut events = omniq.events();
    let pool = omniq.worker().task::<count_primes>().start().await?;
    let limit = Duration::from_secs(10);

    let small = omniq.enqueue(count_primes::with(10_000)).await?;
    let count = small.wait(limit).await?;
    println!("below 10000: {count} primes");
    assert_eq!(count, 1_229);

    let endless = omniq.enqueue(count_primes::with(u64::MAX)).await?;
    while let Some(event) = events.next().await {
        if event.id == endless.id() && event.kind == EventKind::Started {
            break;
        }
    }
    assert!(endless.cancel().await?);
    let cancelled = endless.wait(limit).await.err().map(|e| e.kind());
    assert_eq!(cancelled, Some(ErrorKind::TaskCancelled));

    let late = omniq.enqueue(count_primes::with(u64::MAX - 1)).await?;
    let error = late.wait(limit).await.err();
    println!("{}", error.as_ref().map_or("?".into(), ToString::to_string));
    let failure = error.as_ref().and_then(|error| error.task_error());
    assert_eq!(
        failure.map(|failure| failure.error_type.as_str()),
        Some("timeout")
    );

    let summary = pool.stop().await?;
    assert_eq!(summary.left, 0, "every thread has returned");
    Ok(())
}
