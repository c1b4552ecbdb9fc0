//! Simulates a day in about a minute, by moving the clock of the tasks. In each hour, tasks are enqueued and processed,
//! and tasks that finished more than two hours ago are purged. Files and latencies must not grow.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bench_harness::{
    Contender as _, Options, Outcome, Result, Runs, idle_moment, preload, quantile_us,
};
use omniq::testing::ManualClock;
use omniq::{Settings, open_storage};
use serde_json::json;

use crate::queue::{self, Queue, order};

const HOURS: usize = 24;
/// A pool purges once per minute of the tasks' clock, so the clock advances in minutes.
const MINUTES: usize = 60;
/// The number of tasks per hour that are enqueued one at a time into an idle pool, to measure the latency.
const PROBES: usize = 40;
const RESULT_TTL: Duration = Duration::from_secs(2 * 3_600);

pub async fn run(options: &Options, folder: &Path) -> Result<Outcome> {
    let per_minute = (options.n() / HOURS / MINUTES).max(1);
    let tasks = HOURS * (MINUTES * per_minute + PROBES);
    let clock = ManualClock::new();
    let settings = with_retention(&queue::settings(options, folder)?)?;
    let omniq = clock.open(open_storage(&settings).await?, settings).await?;
    let queue = Queue::new(omniq, options);
    let runs = Arc::new(Runs::new(tasks, 0));
    let pool = queue.start(Arc::clone(&runs)).await?;
    let started = Instant::now();
    let mut hours = Vec::with_capacity(HOURS);
    for _ in 0..HOURS {
        let began = Instant::now();
        for _ in 0..MINUTES {
            clock.advance(Duration::from_secs(60));
            enqueue_minute(&queue, options, &runs, per_minute).await?;
        }
        let work = began.elapsed();
        let hour = Hour {
            work,
            probes: probe(&queue, options, &runs).await?,
            database: file_size(folder, "omniq.db"),
            wal: file_size(folder, "omniq.db-wal"),
            finished: queue.succeeded().await?,
        };
        hours.push(hour);
    }
    let took = started.elapsed();
    queue.stop(pool, 0).await?;
    check_growth(&hours, MINUTES * per_minute + PROBES)?;
    let mut outcome = Outcome::timed(took, tasks).ran_again(runs.ran_again());
    let hours = hours
        .iter()
        .map(|h| h.to_json(MINUTES * per_minute))
        .collect();
    outcome.more.insert("hours".to_owned(), hours);
    Ok(outcome)
}

/// The measurements of an hour.
struct Hour {
    /// The time to enqueue and start the tasks of the hour.
    work: Duration,
    /// The latencies from enqueue to start, in nanoseconds, sorted.
    probes: Vec<u64>,
    database: u64,
    wal: u64,
    /// The number of finished tasks at the end of the hour.
    finished: u64,
}

impl Hour {
    fn to_json(&self, tasks: usize) -> serde_json::Value {
        json!({
            "per_second": (tasks as f64 / self.work.as_secs_f64()).round(),
            "p50_us": quantile_us(&self.probes, 0.5),
            "p99_us": quantile_us(&self.probes, 0.99),
            "database_bytes": self.database,
            "wal_bytes": self.wal,
            "finished_tasks": self.finished,
        })
    }
}

fn with_retention(settings: &Settings) -> Result<Settings> {
    let builder = Settings::builder().result_ttl(RESULT_TTL);
    let url = settings.url().ok_or("the settings name a storage")?;
    let builder = builder.url(url).durability(settings.durability());
    Ok(builder.max_payload(settings.max_payload()).build()?)
}

/// Enqueues the tasks of a minute in one call. Returns when all of them have started.
async fn enqueue_minute(queue: &Queue, options: &Options, runs: &Runs, count: usize) -> Result<()> {
    let (first, pad) = (runs.ran(), preload::pad(options));
    runs.set_target(first + count);
    let orders = (first..first + count).map(|n| order(preload::job(options, &pad, n)));
    queue.omniq.enqueue_many(orders).await?;
    runs.wait_for_target().await;
    Ok(())
}

/// Measures the latency of single tasks.
async fn probe(queue: &Queue, options: &Options, runs: &Runs) -> Result<Vec<u64>> {
    let mut latencies = Vec::with_capacity(PROBES);
    for _ in 0..PROBES {
        idle_moment(Queue::PERIOD).await;
        let called = bench_harness::clock::nanos();
        let (n, pad) = (runs.ran(), preload::pad(options));
        runs.set_target(n + 1);
        queue.enqueue(preload::job(options, &pad, n)).await?;
        latencies.push(runs.wait_for_target().await.saturating_sub(called));
    }
    latencies.sort_unstable();
    Ok(latencies)
}

fn file_size(folder: &Path, name: &str) -> u64 {
    std::fs::metadata(folder.join(name)).map_or(0, |file| file.len())
}

/// Returns an error if too many finished tasks were kept, or if the files grew. The tasks of two hours are kept and
/// those of a third are being purged, so nothing may grow after the third hour.
fn check_growth(hours: &[Hour], per_hour: usize) -> Result<()> {
    let most = hours
        .iter()
        .map(|hour| hour.finished)
        .max()
        .unwrap_or_default();
    if most > 3 * per_hour as u64 {
        return Err(format!("{most} finished tasks were kept, at {per_hour} per hour").into());
    }
    let size = |hour: &Hour| hour.database + hour.wal;
    let (early, late) = (size(&hours[HOURS / 4]), size(&hours[HOURS - 1]));
    if late as f64 > 1.25 * early as f64 + f64::from(1 << 20) {
        return Err(format!("the files grew from {early} to {late} bytes").into());
    }
    Ok(())
}
