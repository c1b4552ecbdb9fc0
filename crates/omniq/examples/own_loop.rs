//! A custom worker loop instead of a pool: it claims tasks, runs them and settles them.
//!
//! ```text
//! cargo run --example own_loop
//! ```
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::Duration;

use omniq::{AsyncTaskQueue, MemoryStorage, Parameter, Settings, TaskError, call};

const PARAMETERS: &[Parameter] = &[Parameter::new("a"), Parameter::new("b")];

/// Runs one task after the other until none has come for a while. A claim renews its lease by itself; a dropped claim
/// releases its task.
async fn work(queue: &AsyncTaskQueue) -> omniq::Result<()> {
    let longest_wait = Duration::from_millis(100);
    while let Some(claim) = queue.dequeue(&["sums"], longest_wait).await? {
        println!("{} {}, attempt {}", claim.name, claim.id(), claim.attempts);
        let outcome = match claim.name.as_str() {
            "add" => claim
                .payload
                .bind(PARAMETERS)
                .map(|(a, b): (i64, i64)| a + b),
            "retried" if claim.attempts == 1 => Err(TaskError::retry_after(Duration::ZERO)),
            "retried" => Ok(0),
            other => Err(TaskError::fatal(format!("nobody handles {other:?}"))),
        };
        match outcome {
            Ok(value) => queue.complete_task(claim, value).await?,
            Err(error) => queue.fail_task(claim, error).await?,
        };
    }
    Ok(())
}

#[tokio::main]
async fn main() -> omniq::Result<()> {
    let queue = AsyncTaskQueue::new(Arc::new(MemoryStorage::new()), &Settings::default())?;
    let orders = [
        call("add").arg(40).kwarg("b", 2),
        call("add").arg("forty").arg(2),
        call("retried"),
        call("unknown"),
    ];
    let orders = orders.map(|order| order.queue("sums"));
    let ids = queue.enqueue_many(orders).await?;

    // A claim that is dropped counts as if the task had not been claimed.
    drop(queue.dequeue(&["sums"], Duration::ZERO).await?);

    work(&queue).await?;
    for id in ids {
        let result = queue.get_result(id).await?;
        match result.map(|result| result.decode::<i64>()) {
            Some(Ok(value)) => println!("{id} gave {value}"),
            Some(Err(error)) => println!("{error}"),
            None => println!("{id} has not finished"),
        }
    }
    Ok(())
}
