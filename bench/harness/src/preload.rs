//! Creates the data that is in the file before the measurement starts.

use std::sync::Arc;

use crate::{Contender, Job, Options, Result, Runs};

/// The maximum number of tasks in one call.
const MAX_TASKS: usize = 1_000;
/// The approximate maximum number of bytes in one call.
const MAX_BYTES: usize = 8 << 20;

/// Returns task `n` as the options describe it.
pub fn job(options: &Options, pad: &Option<Arc<str>>, n: usize) -> Job {
    Job {
        n,
        pad: pad.clone(),
        queue: (options.queues > 0).then(|| n % options.queues.max(1)),
        ..Job::default()
    }
}

/// Returns the extra bytes of the arguments, if there are any.
pub fn pad(options: &Options) -> Option<Arc<str>> {
    (options.payload > 0).then(|| "x".repeat(options.payload).into())
}

/// Enqueues the tasks `0..count`, each changed by `change`.
pub async fn fill<C: Contender>(
    contender: &C,
    options: &Options,
    count: usize,
    change: impl Fn(Job) -> Job,
) -> Result<()> {
    let pad = pad(options);
    let per_call = (MAX_BYTES / (options.payload + 1)).clamp(1, MAX_TASKS);
    for first in (0..count).step_by(per_call) {
        let jobs = (first..count.min(first + per_call)).map(|n| change(job(options, &pad, n)));
        contender.preload(jobs.collect()).await?;
    }
    Ok(())
}

/// Creates everything that the options ask for besides the measured tasks: finished, foreign and future tasks, waits.
pub async fn conditions<C: Contender>(contender: &C, options: &Options) -> Result<()> {
    // A queue is created by its first task.
    let finished = options.finished.max(options.queues);
    if finished > 0 {
        fill(contender, options, finished, |job| job).await?;
        let runs = Arc::new(Runs::new(finished, finished));
        let pool = contender.start(Arc::clone(&runs)).await?;
        runs.wait_for_target().await;
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
        contender.start_idle_waits(options.waits).await?;
    }
    Ok(())
}
