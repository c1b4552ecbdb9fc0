//! A handler reports its progress: as events in the same program, and in the storage for other processes.
//!
//! ```text
//! cargo run --example progress
//! ```
#![allow(clippy::print_stdout)]

use std::time::Duration;

use omniq::{AsyncOmniQ, EventKind, TaskContext};

#[omniq::task]
async fn index(ctx: TaskContext, pages: Vec<String>) -> usize {
    for (at, page) in pages.iter().enumerate() {
        ctx.progress(at as f64 / pages.len() as f64, page);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    ctx.progress(1.0, "all pages are indexed");
    pages.iter().map(String::len).sum()
}

#[tokio::main]
async fn main() -> omniq::Result<()> {
    let omniq = AsyncOmniQ::connect("memory:").await?;
    let mut events = omniq.events();
    let pool = omniq.worker().task::<index>().start().await?;

    let pages = (1..=8).map(|n| format!("page {n}")).collect();
    let handle = omniq.enqueue(index::with(pages)).await?;

    // A subscriber gets every step.
    let mut steps = 0;
    while let Some(event) = events.next().await {
        match event.kind {
            EventKind::Progressed { fraction, message } => {
                steps += 1;
                let bar_length = (fraction * 20.0).round() as usize;
                println!(
                    "[{:20}] {:3.0} %  {message}",
                    "#".repeat(bar_length),
                    fraction * 100.0
                );
            }
            EventKind::Succeeded => break,
            _ => {}
        }
    }
    assert_eq!(steps, 9);
    println!(
        "indexed {} letters",
        handle.wait(Duration::from_secs(10)).await?
    );

    // Other processes read the stored progress: at most one step every 500 ms, and always the last one.
    let task = omniq.get_task(handle.id()).await?;
    let last = task.and_then(|task| task.progress);
    let last = last.map(|last| (last.fraction, last.message));
    println!("stored: {last:?}");
    assert_eq!(last, Some((1.0, "all pages are indexed".into())));

    pool.stop().await?;
    Ok(())
}
