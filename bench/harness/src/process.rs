//! W3: preloaded tasks to the last commit. W5: some of many that are waiting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::{cpu_nanos, nanos};
use crate::{Contender, Options, Outcome, Result, Runs, poll_until, preload};

const SOON: Duration = Duration::from_secs(2);

/// The clock stops when the last task's success is committed.
pub(crate) async fn w3<C: Contender>(contender: &C, options: &Options) -> Result<Outcome> {
    let n = options.n();
    let expected = contender.succeeded().await? + n as u64;
    preload::fill(contender, options, n, |job| job).await?;
    let runs = Arc::new(Runs::new(n, n));
    let (started, cpu) = (Instant::now(), cpu_nanos());
    let pool = contender.start(Arc::clone(&runs)).await?;
    runs.reached().await;
    contender.stop(pool, expected).await?;
    let outcome = Outcome::timed(started.elapsed(), n).cpu(cpu_nanos() - cpu);
    done(contender, expected).await?;
    Ok(outcome.again(runs.again()))
}

/// The clock stops when the last measured task starts, because then `--backlog` others are still waiting.
pub(crate) async fn w5<C: Contender>(contender: &C, options: &Options) -> Result<Outcome> {
    let (n, all) = (options.n(), options.n() + options.backlog);
    let before = contender.succeeded().await?;
    preload::fill(contender, options, all, |job| job).await?;
    let runs = Arc::new(Runs::new(all, n));
    let (started, cpu) = (nanos(), cpu_nanos());
    let pool = contender.start(Arc::clone(&runs)).await?;
    let took = runs.reached().await - started;
    let outcome = Outcome::timed(Duration::from_nanos(took), n).cpu(cpu_nanos() - cpu);
    contender.stop(pool, before + n as u64).await?;
    let succeeded = contender.succeeded().await? - before;
    if succeeded < n as u64 {
        return Err(format!("{n} tasks ran, but only {succeeded} are successes").into());
    }
    Ok(outcome.again(runs.again()))
}

/// An error, unless the file holds exactly so many successes, soon: a task that a contender runs again is for a
/// while no success.
pub async fn done<C: Contender>(contender: &C, expected: u64) -> Result<()> {
    let is_so = poll_until(|| async { Ok(contender.succeeded().await? == expected) });
    match tokio::time::timeout(SOON, is_so).await {
        Ok(is_so) => is_so,
        Err(_) => {
            let found = contender.succeeded().await?;
            Err(format!("the file should hold {expected} successes, but has {found}").into())
        }
    }
}
