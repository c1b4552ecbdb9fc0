//! W4: from the call of enqueue to the start of the handler, while nothing else happens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::nanos;
use crate::{Contender, Options, Outcome, Result, Runs, preload};

/// A task that has not started by then never will.
const NEVER: Duration = Duration::from_secs(30);

/// Whoever runs the pool, here or in another process, writes to `runs`.
pub async fn w4<C: Contender>(contender: &C, options: &Options, runs: &Runs) -> Result<Outcome> {
    let pad = preload::pad(options);
    let started = Instant::now();
    let mut latencies = Vec::with_capacity(options.n());
    for n in 0..options.n() {
        idle_moment(C::PERIOD).await;
        runs.want(n + 1);
        let called = nanos();
        contender.enqueue(preload::job(options, &pad, n)).await?;
        let began = tokio::time::timeout(NEVER, runs.reached())
            .await
            .map_err(|_| format!("task {n} has not started within {NEVER:?}"))?;
        latencies.push(began.saturating_sub(called));
    }
    Ok(Outcome::timed(started.elapsed(), options.n()).latency_only(latencies))
}

/// Long enough that the pool is idle again, and never the same.
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
    // What a pool does at its start is not what is measured.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let outcome = w4(contender, options, &runs).await?;
    let expected = before + options.n() as u64;
    contender.stop(pool, expected).await?;
    crate::done(contender, expected).await?;
    Ok(outcome.again(runs.again()))
}
