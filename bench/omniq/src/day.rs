//! A day in a minute: each hour its share of the tasks is enqueued and processed while what finished two hours
//! before is purged. The clock of the tasks is moved; files and latencies must not grow.

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
/// A pool purges once a minute of the tasks' clock, so the clock goes by minutes.
const MINUTES: usize = 60;
/// How many of each hour's tasks are enqueued one at a time into an idle pool, to see how long they take.
const PROBES: usize = 40;
const KEPT: Duration = Duration::from_secs(2 * 3_600);

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
            enqueue_and_finish(&queue, options, &runs, per_minute).await?;
        }
        let work = began.elapsed();
        let hour = Hour {
            work,
            probes: probe(&queue, options, &runs).await?,
            database: size(folder, "omniq.db"),
            wal: size(folder, "omniq.db-wal"),
            kept: queue.succeeded().await?,
        };
        hours.push(hour);
    }
    let took = started.elapsed();
    queue.stop(pool, 0).await?;
    bounded(&hours, MINUTES * per_minute + PROBES)?;
    let mut outcome = Outcome::timed(took, tasks).again(runs.again());
    let hours = hours.iter().map(|h| h.told(MINUTES * per_minute)).collect();
    outcome.more.insert("hours".to_owned(), hours);
    Ok(outcome)
}

/// What an hour cost, and what there was at its end.
struct Hour {
    work: Duration,
    /// Sorted nanoseconds from enqueue to start.
    probes: Vec<u64>,
    database: u64,
    wal: u64,
    kept: u64,
}

impl Hour {
    fn told(&self, tasks: usize) -> serde_json::Value {
        json!({
            "per_second": (tasks as f64 / self.work.as_secs_f64()).round(),
            "p50_us": quantile_us(&self.probes, 0.5),
            "p99_us": quantile_us(&self.probes, 0.99),
            "database_bytes": self.database,
            "wal_bytes": self.wal,
            "finished_tasks": self.kept,
        })
    }
}

fn with_retention(settings: &Settings) -> Result<Settings> {
    let builder = Settings::builder().result_ttl(KEPT);
    let url = settings.url().ok_or("the settings name a storage")?;
    let builder = builder.url(url).durability(settings.durability());
    Ok(builder.max_payload(settings.max_payload()).build()?)
}

/// A minute's tasks, in one call; returns when all of them have started.
async fn enqueue_and_finish(
    queue: &Queue,
    options: &Options,
    runs: &Runs,
    count: usize,
) -> Result<()> {
    let (first, pad) = (runs.ran(), preload::pad(options));
    runs.want(first + count);
    let orders = (first..first + count).map(|n| order(preload::job(options, &pad, n)));
    queue.omniq.enqueue_many(orders).await?;
    runs.reached().await;
    Ok(())
}

async fn probe(queue: &Queue, options: &Options, runs: &Runs) -> Result<Vec<u64>> {
    let mut latencies = Vec::with_capacity(PROBES);
    for _ in 0..PROBES {
        idle_moment(Queue::PERIOD).await;
        let called = bench_harness::clock::nanos();
        let (n, pad) = (runs.ran(), preload::pad(options));
        runs.want(n + 1);
        queue.enqueue(preload::job(options, &pad, n)).await?;
        latencies.push(runs.reached().await.saturating_sub(called));
    }
    latencies.sort_unstable();
    Ok(latencies)
}

fn size(folder: &Path, name: &str) -> u64 {
    std::fs::metadata(folder.join(name)).map_or(0, |file| file.len())
}

/// Two hours' tasks are kept and one more is being purged; when the third hour has passed, nothing grows.
fn bounded(hours: &[Hour], per_hour: usize) -> Result<()> {
    let most = hours.iter().map(|hour| hour.kept).max().unwrap_or_default();
    if most > 3 * per_hour as u64 {
        return Err(format!("{most} finished tasks were kept, of {per_hour} an hour").into());
    }
    let size = |hour: &Hour| hour.database + hour.wal;
    let (early, late) = (size(&hours[HOURS / 4]), size(&hours[HOURS - 1]));
    if late as f64 > 1.25 * early as f64 + f64::from(1 << 20) {
        return Err(format!("the files grew from {early} to {late} bytes").into());
    }
    Ok(())
}
