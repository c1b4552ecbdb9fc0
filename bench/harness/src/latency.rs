//! W4: measures the time from the enqueue call to the start of the handler, while the pool is otherwise idle.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::nanos;
use crate::{Contender, Options, Outcome, Result, Runs, preload};

/// The run fails if a task has not started within this time.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Enqueues one task at a time, and waits until `runs` reports its start. The pool may be in this process or in
/// another.
pub async fn w4<C: Contender>(contender: &C, options: &Options, runs: &Runs) -> Result<Outcome> {
    let pad = preload::pad(options);
    let started = Instant::now();
    let mut latencies = Vec::with_capacity(options.n());
    for n in 0..options.n() {
        idle_moment(C::PERIOD).await;
        runs.set_target(n + 1);
        let called = nanos();
        contender.enqueue(preload::job(options, &pad, n)).await?;
        let handler_start = tokio::time::timeout(START_TIMEOUT, runs.wait_for_target())
            .await
            .map_err(|_| format!("task {n} has not started within {START_TIMEOUT:?}"))?;
        latencies.push(handler_start.saturating_sub(called));
    }
    Ok(Outcome::timed(started.elapsed(), options.n()).latency_only(latencies))
}

/// Sleeps until the pool is idle again. The time is random, see [`Contender::PERIOD`].
pub async fn idle_moment(period: Duration) {
    let micros = fastrand::u64(0..period.as_micros() as u64);
    tokio::time::sleep(Duration::from_micros(3_000 + micros)).await;
}

pub(crate) async fn in_this_process<C: Contender>(
    contender: &C,
    options: &Options,
) -> Result<Outcome> {
    let runs = Arc::new(Runs::new(options.n(), 0));
    let before = contender.succeeded().await?;
    let pool = contender.start(Arc::clone(&runs)).await?;
    // The start-up work of the pool is not measured.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let outcome = w4(contender, options, &runs).await?;
    let expected = before + options.n() as u64;
    contender.stop(pool, expected).await?;
    crate::expect_successes(contender, expected).await?;
    Ok(outcome.ran_again(runs.ran_again()))
}
