//! Ending a task that waits, and one that runs.
//!
//! ```text
//! cargo run --example cancellation
//! ```
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use omniq::{AsyncOmniQ, ErrorKind, EventKind, State, TaskContext, TaskStatus};

/// Raised when a cancelled upload has put things in order.
type TidiedUp = Arc<AtomicBool>;

/// A handler is told, and has a few seconds for what it wants to put in order before it is dropped.
#[omniq::task]
async fn upload(ctx: TaskContext, tidied_up: State<TidiedUp>, parts: u32) -> u32 {
    for part in 1..=parts {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => println!("part {part} of {parts}"),
            () = ctx.cancelled() => {
                println!("told to stop: the {} parts so far are removed", part - 1);
                tidied_up.store(true, Ordering::Relaxed);
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
    let tidied_up = TidiedUp::default();
    let worker = omniq
        .worker()
        .task::<upload>()
        .state(Arc::clone(&tidied_up));
    let pool = worker.start().await?;

    // One that waits never runs.
    let later = omniq
        .enqueue(upload::with(3).delay(Duration::from_secs(60)))
        .await?;
    assert!(later.cancel().await?);
    println!("The one that waits is {}.", later.status().await?);
    assert_eq!(later.status().await?, TaskStatus::Cancelled);

    // One that runs is cancelled at once, and its handler is told.
    let running = omniq.enqueue(upload::with(1_000)).await?;
    while let Some(event) = events.next().await {
        let far = matches!(event.kind, EventKind::Progressed { fraction, .. } if fraction >= 0.003);
        if event.id == running.id() && far {
            break;
        }
    }
    assert!(running.cancel().await?);
    assert!(!running.cancel().await?, "it has ended");
    let error = running.wait(Duration::from_secs(10)).await.err();

    // A stop waits for handlers that are still busy.
    pool.stop().await?;
    assert!(tidied_up.load(Ordering::Relaxed));
    println!("{}", error.as_ref().map_or("?".into(), ToString::to_string));
    assert_eq!(error.map(|e| e.kind()), Some(ErrorKind::TaskCancelled));
    Ok(())
}
