//! W3: processes stored tasks until the last commit. W5: processes some of many waiting tasks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::{cpu_nanos, nanos};
use crate::{Contender, Options, Outcome, Result, Runs, poll_until, preload};

const SUCCESS_TIMEOUT: Duration = Duration::from_secs(2);

/// Measures until the success of the last task is committed.
pub(crate) async fn w3<C: Contender>(contender: &C, options: &Options) -> Result<Outcome> {
    let n = options.n();
    let expected = contender.succeeded().await? + n as u64;
    preload::fill(contender, options, n, |job| job).await?;
    let runs = Arc::new(Runs::new(n, n));
    let (started, cpu) = (Instant::now(), cpu_nanos());
    let pool = contender.start(Arc::clone(&runs)).await?;
    runs.wait_for_target().await;
    contender.stop(pool, expected).await?;
    let outcome = Outcome::timed(started.elapsed(), n).cpu(cpu_nanos() - cpu);
    expect_successes(contender, expected).await?;
    Ok(outcome.ran_again(runs.ran_again()))
}

/// Measures until the last measured task starts, because at that time `--backlog` other tasks are still waiting.
pub(crate) async fn w5<C: Contender>(contender: &C, options: &Options) -> Result<Outcome> {
    let (n, total) = (options.n(), options.n() + options.backlog);
    let before = contender.succeeded().await?;
    preload::fill(contender, options, total, |job| job).await?;
    let runs = Arc::new(Runs::new(total, n));
    let (started, cpu) = (nanos(), cpu_nanos());
    let pool = contender.start(Arc::clone(&runs)).await?;
    let took = runs.wait_for_target().await - started;
    let outcome = Outcome::timed(Duration::from_nanos(took), n).cpu(cpu_nanos() - cpu);
    contender.stop(pool, before + n as u64).await?;
    let succeeded = contender.succeeded().await? - before;
    if succeeded < n as u64 {
        return Err(format!("{n} tasks ran, but only {succeeded} have succeeded").into());
    }
    Ok(outcome.ran_again(runs.ran_again()))
}

/// Returns an error unless the file holds exactly this many successes within 2 s. The wait is needed because a task
/// that a contender runs again is temporarily not a success.
pub async fn expect_successes<C: Contender>(contender: &C, expected: u64) -> Result<()> {
    let reached = poll_until(|| async { Ok(contender.succeeded().await? == expected) });
    match tokio::time::timeout(SUCCESS_TIMEOUT, reached).await {
        Ok(reached) => reached,
        Err(_) => {
            let found = contender.succeeded().await?;
            Err(format!("the file should hold {expected} successes, but has {found}").into())
        }
    }
}
