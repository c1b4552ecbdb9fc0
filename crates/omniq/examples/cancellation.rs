//! Cancels a task that waits, and one that runs.
//!
//! ```text
//! cargo run --example cancellation
//! ```
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use omniq::{AsyncOmniQ, ErrorKind, EventKind, State, TaskContext, TaskStatus};

/// Becomes true when a cancelled upload has cleaned up.
type CleanedUp = Arc<AtomicBool>;

/// A cancelled handler is notified, and has a few seconds to clean up before it is dropped.
#[omniq::task]
async fn upload(ctx: TaskContext, cleaned_up: State<CleanedUp>, parts: u32) -> u32 {
    for part in 1..=parts {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => println!("part {part} of {parts}"),
            () = ctx.cancelled() => {
                println!("told to stop: the {} parts so far are removed", part - 1);
                cleaned_up.store(true, Ordering::Relaxed);
                return part - 1;
            }
        }
        ctx.progress(f64::from(part) / f64::from(parts), "uploading");
    }
    parts
}

#[tokio::main]
async fn main() -> omniq::Result<()> {
    let omniq = AsyncOmniQ::connect("memory:").await?;
    let mut events = omniq.events();
    let cleaned_up = CleanedUp::default();
    let worker = omniq
        .worker()
        .task::<upload>()
        .state(Arc::clone(&cleaned_up));
    let pool = worker.start().await?;

    // A task that is cancelled while it waits never runs.
    let later = omniq
        .enqueue(upload::with(3).delay(Duration::from_secs(60)))
        .await?;
    assert!(later.cancel().await?);
    println!("The one that waits is {}.", later.status().await?);
    assert_eq!(later.status().await?, TaskStatus::Cancelled);

    // A running task is cancelled immediately, and its handler is notified.
    let running = omniq.enqueue(upload::with(1_000)).await?;
    while let Some(event) = events.next().await {
        let has_begun =
            matches!(event.kind, EventKind::Progressed { fraction, .. } if fraction >= 0.003);
        if event.id == running.id() && has_begun {
            break;
        }
    }
    assert!(running.cancel().await?);
    assert!(!running.cancel().await?, "it is already cancelled");
    let error = running.wait(Duration::from_secs(10)).await.err();

    // Stopping the pool waits for handlers that still run.
    pool.stop().await?;
    assert!(cleaned_up.load(Ordering::Relaxed));
    println!("{}", error.as_ref().map_or("?".into(), ToString::to_string));
    assert_eq!(error.map(|e| e.kind()), Some(ErrorKind::TaskCancelled));
    Ok(())
}
