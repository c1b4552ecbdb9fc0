//! A program that environment variables configure: the same code on SQLite or in memory, with more or fewer log lines.
//!
//! ```text
//! cargo run --example from_env --features logging
//! OMNIQ_DB_URL=memory: OMNIQ_LOG_LEVEL=debug cargo run --example from_env --features logging
//! OMNIQ_LEASE=soon OMNIQ_DURABILITY=half cargo run --example from_env --features logging
//! ```
#![allow(clippy::print_stdout)]

use std::time::Duration;

use omniq::{AsyncOmniQ, ResultExt as _, TaskError};

#[omniq::task(max_attempts = 2, backoff = "10ms")]
async fn greet(ctx: omniq::TaskContext, name: String) -> Result<String, TaskError> {
    // Inside a handler, each log line names the task.
    tracing::info!("looking for a card");
    if ctx.attempt() == 1 {
        Err("the card is not there yet").retryable()?;
    }
    Ok(format!("hello, {name}"))
}

#[tokio::main]
async fn main() -> omniq::Result<()> {
    omniq::logging::init()?;
    let omniq = AsyncOmniQ::from_env().await?;
    let settings = omniq.settings();
    let storage = settings.url().unwrap_or("the default database");
    println!(
        "{storage}, durability {:?}, lease {:?}",
        settings.durability(),
        settings.lease()
    );

    let pool = omniq.worker().task::<greet>().start().await?;
    let handle = omniq.enqueue(greet::with("Ada".into())).await?;
    println!("{}", handle.wait(Duration::from_secs(10)).await?);
    pool.stop().await?;
    Ok(())
}
