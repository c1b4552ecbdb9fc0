//! OmniQ through its front door, as a user would use it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bench_harness::{Level, Options, Outcome, Workload, w1};
use clap::Parser;
use omniq::{AsyncOmniQ, Durability, Order, Settings, TaskError, TaskStatus};

#[tokio::main(worker_threads = 2)]
async fn main() -> omniq::Result<()> {
    let options = Options::parse();
    let folder = options.folder();
    let path = std::path::absolute(folder.path().join("omniq.db")).expect("a folder");
    let durability = match options.durability {
        Level::Full => Durability::Full,
        Level::Normal => Durability::Normal,
    };
    let settings = Settings::builder()
        .url(format!("sqlite:///{}", path.display()))
        .durability(durability)
        .build()?;
    let omniq = AsyncOmniQ::with_settings(settings).await?;
    let outcome = match options.workload {
        Workload::W1 => enqueue(&options, omniq).await,
        Workload::W3 => process(&options, omniq).await?,
    };
    options.report("omniq", &outcome);
    Ok(())
}

fn order(i: usize, pad: Option<&str>) -> Order<()> {
    let order = Order::new("noop").kwarg("n", i);
    match pad {
        None => order,
        Some(pad) => order.kwarg("pad", pad),
    }
}

async fn enqueue(options: &Options, omniq: AsyncOmniQ) -> Outcome {
    let pad: Option<Arc<str>> = options.pad().map(Into::into);
    w1(options, move |i| {
        let (omniq, pad) = (omniq.clone(), pad.clone());
        async move {
            omniq
                .enqueue(order(i, pad.as_deref()))
                .await
                .expect("an enqueue");
        }
    })
    .await
}

async fn process(options: &Options, omniq: AsyncOmniQ) -> omniq::Result<Outcome> {
    let pad = options.pad();
    for first in (0..options.n).step_by(1_000) {
        let last = options.n.min(first + 1_000);
        omniq
            .enqueue_many((first..last).map(|i| order(i, pad.as_deref())))
            .await?;
    }
    let left = Arc::new(AtomicUsize::new(options.n));
    let (all, done) = (Arc::new(tokio::sync::Notify::new()), left.clone());
    let finished = all.clone();
    let started = Instant::now();
    let mut worker =
        omniq
            .worker()
            .concurrency(options.concurrency)
            .handler("noop", move |_, _| {
                if done.fetch_sub(1, Ordering::Relaxed) == 1 {
                    finished.notify_one();
                }
                async { Ok::<_, TaskError>(()) }
            });
    if let Some(prefetch) = options.prefetch {
        worker = worker.prefetch(prefetch);
    }
    let pool = worker.start().await?;
    all.notified().await;
    // The pool has written every settlement when it has stopped.
    pool.stop().await?;
    let took = started.elapsed();
    let stats = omniq.stats().await?;
    let success: u64 = stats.queues.values().map(|queue| queue.success).sum();
    assert_eq!(
        success,
        options.n as u64,
        "every task is {} in the database",
        TaskStatus::Success
    );
    Ok(Outcome {
        took,
        latency: None,
    })
}
