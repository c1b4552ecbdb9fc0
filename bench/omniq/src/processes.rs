//! Runs whose workers are processes of their own: this program, started again.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bench_harness::{Contender as _, Options, Outcome, Result, Runs, done, preload, w4 as measure};

use crate::queue::Queue;
use crate::workers::{News, Workers};

/// W3 by several processes, to the moment at which the last pool has stopped.
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
        if let (worker, News::Count(count)) = workers.next().await? {
            counts[worker] = count;
        }
    }
    let all = Runs::new(n, n);
    let again = stop(&mut workers, &mut counts, &all).await?;
    let mut outcome = Outcome::timed(started.elapsed(), n).again(again + all.again());
    workers.ended().await?;
    done(&queue, expected).await?;
    let by_process = ("tasks_by_process".to_owned(), counts.into());
    outcome.more.extend([by_process]);
    Ok(outcome)
}

/// Hears which tasks ran where; says how many ran twice in one process.
async fn stop(workers: &mut Workers, counts: &mut [usize], all: &Runs) -> Result<usize> {
    let mut again = 0;
    workers.stop();
    for _ in 0..counts.len() {
        let (worker, twice, numbers) = loop {
            if let (worker, News::Ran(twice, numbers)) = workers.next().await? {
                break (worker, twice, numbers);
            }
        };
        counts[worker] = numbers.len();
        again += twice;
        numbers.into_iter().for_each(|n| all.started(n));
    }
    Ok(again)
}

/// W4 with the pool in another process.
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
                if let (_, News::Start(n, at)) = workers.next().await? {
                    runs.started_at(n, || at);
                }
            }
            Ok::<_, bench_harness::Error>(workers)
        }
    });
    let outcome = measure(&queue, options, &runs).await?;
    let mut workers = listening.await??;
    workers.stop();
    workers.ended().await?;
    done(&queue, expected).await?;
    Ok(outcome.again(runs.again()))
}
