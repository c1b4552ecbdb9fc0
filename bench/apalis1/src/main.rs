//! apalis-sqlite 1.0, set right: every connection has the durability that was asked for, and an idle worker hears of
//! new tasks. `--as-shipped` leaves durability to `setup`, which turns `synchronous` off on one connection of the pool.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apalis::prelude::*;
use apalis_sqlite::callback::HookCallbackListener;
use apalis_sqlite::{Config, SqliteStorage};
use bench_harness::{
    Arguments, Contender, Job, Level, Options, Result, Runs, only_default_conditions, poll_until,
};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use tokio::task::JoinHandle;

/// How often an idle worker looks for tasks that it was not told of.
const LOOK: Duration = Duration::from_millis(100);
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::main]
async fn main() -> ExitCode {
    bench_harness::main::<Apalis>().await
}

#[derive(Clone)]
struct Apalis {
    ours: SqliteStorage<Arguments>,
    foreign: SqliteStorage<Arguments>,
    news: HookCallbackListener,
    /// That were started.
    workers: Arc<AtomicUsize>,
    concurrency: usize,
}

async fn noop(arguments: Arguments, runs: Data<Arc<Runs>>) {
    runs.started(arguments.n);
}

/// The pool of connections, and what tells of new rows.
async fn connect(options: &Options, folder: &Path) -> Result<(SqlitePool, HookCallbackListener)> {
    let level = match options.durability {
        Level::Full => SqliteSynchronous::Full,
        Level::Normal => SqliteSynchronous::Normal,
    };
    let file = folder.join("apalis.db");
    let place = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true);
    let (pool, news) =
        SqliteStorage::connect_with_callback(&format!("sqlite://{}", file.display()))?;
    if options.as_shipped {
        pool.set_connect_options(place);
        SqliteStorage::setup(&pool).await?;
        return Ok((pool, news));
    }
    // Deviation: `setup` leaves the connection that it ran on with synchronous = OFF. It runs on a pool that is closed
    // after it; each connection of the other one gets the level that was asked for. WAL is kept in the file.
    let first = SqlitePool::connect_with(place.clone()).await?;
    SqliteStorage::setup(&first).await?;
    first.close().await;
    pool.set_connect_options(place.synchronous(level));
    Ok((pool, news))
}

fn task(job: &Job) -> Task<Arguments> {
    let task = TaskBuilder::new(job.arguments());
    match job.future {
        true => task.priority(9).run_after(DAY).build(),
        false => task.build(),
    }
}

impl Apalis {
    fn queue(&self, job: &Job) -> SqliteStorage<Arguments> {
        if job.foreign {
            &self.foreign
        } else {
            &self.ours
        }
        .clone()
    }
}

impl Contender for Apalis {
    const NAME: &'static str = "apalis1";
    type Pool = JoinHandle<()>;

    fn check(options: &Options) -> Result<()> {
        only_default_conditions(options)
    }

    async fn open(options: &Options, folder: &Path) -> Result<Self> {
        let (pool, news) = connect(options, folder).await?;
        let queue =
            |name: &str| SqliteStorage::new(&pool).with_config(Config::default().queue(name));
        Ok(Self {
            ours: queue("noop"),
            foreign: queue("foreign"),
            news,
            workers: Arc::default(),
            concurrency: options.concurrency,
        })
    }

    async fn enqueue(&self, job: Job) -> Result<()> {
        self.queue(&job).push_task(task(&job)).await?;
        Ok(())
    }

    async fn enqueue_many(&self, jobs: Vec<Job>) -> Result<()> {
        let Some(mut queue) = jobs.first().map(|job| self.queue(job)) else {
            return Ok(());
        };
        let tasks: Vec<_> = jobs.iter().map(task).collect();
        Ok(queue.push_all(futures::stream::iter(tasks)).await?)
    }

    async fn start(&self, runs: Arc<Runs>) -> Result<JoinHandle<()>> {
        // Deviation: a worker that found nothing looks again at its next heartbeat, after 30 s, unless it is told how, as
        // its README does it.
        let strategy = Strategy::new().stream(self.news.clone()).interval(LOOK);
        // A name that was used before is refused.
        let number = self.workers.fetch_add(1, Ordering::Relaxed);
        let worker = WorkerBuilder::new(format!("bench-{number}"))
            .backend(self.ours.clone().poll_with_strategy(strategy))
            .data(runs)
            // Deviation: it has no limit by default.
            .concurrency(self.concurrency)
            .build(noop);
        Ok(tokio::spawn(async move {
            if let Err(error) = worker.run().await {
                eprintln!("the worker ended: {error}");
            }
        }))
    }

    async fn stop(&self, worker: JoinHandle<()>, successes: u64) -> Result<()> {
        poll_until(|| async { Ok(self.succeeded().await? >= successes) }).await?;
        worker.abort();
        Ok(())
    }

    async fn succeeded(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM Jobs WHERE status = 'Done'";
        let count: i64 = sqlx::query_scalar(sql).fetch_one(self.ours.pool()).await?;
        Ok(count as u64)
    }
}
