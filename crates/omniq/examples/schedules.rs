//! Tasks that run later, and tasks that run repeatedly.
//!
//! ```text
//! cargo run --example schedules
//! ```
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant, SystemTime};

use omniq::{AsyncOmniQ, EventKind, State, TaskDef as _, TaskFilter};

#[omniq::task]
async fn remind(begin: State<Instant>, text: String) {
    println!("{:>4} ms  {text}", begin.elapsed().as_millis());
}

/// The next run starts 200 ms after the last one has finished. Because of the key there is one series, even if several
/// processes enqueue the task when they start.
#[omniq::task(interval = "200ms", unique_key = "tick")]
async fn tick(begin: State<Instant>) {
    println!("{:>4} ms  tick", begin.elapsed().as_millis());
}

#[tokio::main]
async fn main() -> omniq::Result<()> {
    let omniq = AsyncOmniQ::connect("memory:").await?;
    let mut events = omniq.events();
    let begin = Instant::now();

    let order = remind::with("500 ms after the order".into());
    let order = order.delay(Duration::from_millis(500));
    let reminder = omniq.enqueue(order).await?;
    let order = remind::with("at a point in time".into());
    let order = order.eta(SystemTime::now() + Duration::from_millis(300));
    omniq.enqueue(order).await?;
    let first = omniq.enqueue(tick::with()).await?;
    let again = omniq.enqueue(tick::with()).await?;
    assert_eq!(first.id(), again.id(), "there is one series");

    let worker = omniq.worker().task::<remind>().task::<tick>();
    let pool = worker.state(begin).start().await?;
    let mut ticks = 0;
    while let Some(event) = events.next().await {
        ticks += u32::from(event.name == tick::NAME && event.kind == EventKind::Succeeded);
        if ticks == 5 {
            break;
        }
    }
    assert!(begin.elapsed() >= Duration::from_millis(4 * 200));
    reminder.wait(Duration::from_secs(10)).await?;

    cancel_ticks(&omniq).await?;
    pool.stop().await?;
    let runs = omniq.list_tasks(TaskFilter::new().name(tick::NAME)).await?;
    println!("The series ended with {} runs.", runs.len() - 1);
    let series = Some(first.id());
    assert!(
        runs.iter()
            .all(|run| run.series_id == series && run.status.is_finished())
    );
    Ok(())
}

/// Ends the series. Each run is a task of its own, so the next one has to be cancelled.
async fn cancel_ticks(omniq: &AsyncOmniQ) -> omniq::Result<()> {
    loop {
        let runs = omniq.list_tasks(TaskFilter::new().name(tick::NAME)).await?;
        match runs.iter().find(|run| !run.status.is_finished()) {
            // If this run has just finished, there is a new one to cancel.
            Some(next) if !omniq.cancel_task(next.id).await? => {}
            _ => return Ok(()),
        }
    }
}
