//! A program without async counts the words of some texts in a worker pool.
//!
//! ```sh
//! cargo run --example blocking
//! ```
#![allow(clippy::print_stdout)]

use std::time::Duration;

use omniq::blocking::TaskHandle;
use omniq::{OmniQ, TaskContext, TaskError};

/// A plain function runs on a thread of its own, which it may block.
#[omniq::task]
fn count_words(text: String) -> usize {
    text.split_whitespace().count()
}

/// An async function works too: it runs on the threads that all blocking queues of the process share.
#[omniq::task(max_attempts = 5, timeout = "10s")]
async fn greet(ctx: TaskContext, name: String) -> Result<String, TaskError> {
    if ctx.attempt() == 1 {
        return Err(TaskError::retry_after(Duration::from_millis(50)));
    }
    Ok(format!("hello, {name}"))
}

fn main() -> omniq::Result<()> {
    let omniq = OmniQ::connect("sqlite::memory:")?;
    let worker = omniq.worker().concurrency(4);
    let pool = worker.task::<count_words>().task::<greet>().start()?;

    let texts = ["one", "two words", "three small words"];
    let orders = texts.map(|text| count_words::with(text.into()));
    let handles = omniq.enqueue_many(orders)?;
    let counts = TaskHandle::wait_all(&handles, Duration::from_secs(10));
    for (text, count) in texts.iter().zip(counts) {
        println!("{text:?} has {} words", count?);
    }

    let greeting = omniq.enqueue(greet::with("Ada".into()))?;
    println!("{}", greeting.wait(Duration::from_secs(10))?);

    // A service would call pool.run_until_signal() instead.
    let summary = pool.stop()?;
    println!("{} attempts in all", summary.total_finished);
    Ok(())
}
