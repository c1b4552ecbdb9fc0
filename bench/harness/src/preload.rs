//! What is in the file before the clock starts.

use std::sync::Arc;

use crate::{Contender, Job, Options, Result, Runs};

/// At most so many tasks in one call.
const CALL: usize = 1_000;
/// At most about so many bytes in one call.
const BYTES: usize = 8 << 20;

/// Task `n`, as the options want it.
pub fn job(options: &Options, pad: &Option<Arc<str>>, n: usize) -> Job {
    Job {
        n,
        pad: pad.clone(),
        queue: (options.queues > 0).then(|| n % options.queues.max(1)),
        ..Job::default()
    }
}

/// The extra bytes.
pub fn pad(options: &Options) -> Option<Arc<str>> {
    (options.payload > 0).then(|| "x".repeat(options.payload).into())
}

/// Enqueues the tasks `0..count`, changed by `change`.
pub async fn fill<C: Contender>(
    contender: &C,
    options: &Options,
    count: usize,
    change: impl Fn(Job) -> Job,
) -> Result<()> {
    let pad = pad(options);
    let call = (BYTES / (options.payload + 1)).clamp(1, CALL);
    for first in (0..count).step_by(call) {
        let jobs = (first..count.min(first + call)).map(|n| change(job(options, &pad, n)));
        contender.preload(jobs.collect()).await?;
    }
    Ok(())
}

/// Everything that is there besides the tasks that are measured.
pub async fn conditions<C: Contender>(contender: &C, options: &Options) -> Result<()> {
    // A queue exists once it has had a task.
    let finished = options.finished.max(options.queues);
    if finished > 0 {
        fill(contender, options, finished, |job| job).await?;
        let runs = Arc::new(Runs::new(finished, finished));
        let pool = contender.start(Arc::clone(&runs)).await?;
        runs.reached().await;
        contender.stop(pool, finished as u64).await?;
    }
    let foreign = |job| Job {
        foreign: true,
        ..job
    };
    fill(contender, options, options.foreign, foreign).await?;
    let future = |job| Job {
        future: true,
        ..job
    };
    fill(contender, options, options.future, future).await?;
    if options.waits > 0 {
        contender.wait_in_vain(options.waits).await?;
    }
    Ok(())
}
