//! Runs whose workers are separate processes, which are further instances of this program.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bench_harness::{
    Contender as _, Options, Outcome, Result, Runs, expect_successes, preload, w4 as measure,
};

use crate::queue::Queue;
use crate::workers::{Message, Workers};

/// Runs W3 with several processes, and measures until the last pool has stopped.
pub async fn w3(options: &Options, folder: &Path) -> Result<Outcome> {
    let queue = Queue::open(options, folder).await?;
    preload::conditions(&queue, options).await?;
    let n = options.n();
    let expected = queue.succeeded().await? + n as u64;
    preload::fill(&queue, options, n, |job| job).await?;
    let mut workers = Workers::start(options.processes, folder).await?;
    let started = Instant::now();
    workers.go().await?;
    let mut counts = vec![0; options.processes];
    while counts.iter().sum::<usize>() < n {
        if let (worker, Message::Count(count)) = workers.next().await? {
            counts[worker] = count;
        }
    }
    let all = Runs::new(n, n);
    let ran_again = stop(&mut workers, &mut counts, &all).await?;
    let mut outcome = Outcome::timed(started.elapsed(), n).ran_again(ran_again + all.ran_again());
    workers.wait_for_exit().await?;
    expect_successes(&queue, expected).await?;
    let by_process = ("tasks_by_process".to_owned(), counts.into());
    outcome.more.extend([by_process]);
    Ok(outcome)
}

/// Stops the workers, and collects which tasks ran in which process. Returns the number of repeated executions within
/// one process.
async fn stop(workers: &mut Workers, counts: &mut [usize], all: &Runs) -> Result<usize> {
    let mut ran_again = 0;
    workers.stop();
    for _ in 0..counts.len() {
        let (worker, repeats, numbers) = loop {
            if let (worker, Message::Ran(repeats, numbers)) = workers.next().await? {
                break (worker, repeats, numbers);
            }
        };
        counts[worker] = numbers.len();
        ran_again += repeats;
        numbers.into_iter().for_each(|n| all.started(n));
    }
    Ok(ran_again)
}

/// Runs W4 with the pool in another process.
pub async fn w4(options: &Options, folder: &Path) -> Result<Outcome> {
    let queue = Queue::open(options, folder).await?;
    preload::conditions(&queue, options).await?;
    let expected = queue.succeeded().await? + options.n() as u64;
    let mut workers = Workers::start(1, folder).await?;
    let runs = Arc::new(Runs::new(options.n(), 0));
    let listening = tokio::spawn({
        let runs = Arc::clone(&runs);
        async move {
            while runs.ran() < runs.tasks() {
                if let (_, Message::Start(n, at)) = workers.next().await? {
                    runs.started_at(n, || at);
                }
            }
            Ok::<_, bench_harness::Error>(workers)
        }
    });
    let outcome = measure(&queue, options, &runs).await?;
    let mut workers = listening.await??;
    workers.stop();
    workers.wait_for_exit().await?;
    expect_successes(&queue, expected).await?;
    Ok(outcome.ran_again(runs.ran_again()))
}
