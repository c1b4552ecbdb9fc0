//! apalis-sqlite 1.0, corrected: every connection has the requested durability, and idle workers are notified of new
//! tasks. `--as-shipped` leaves durability to `setup`, which turns `synchronous` off on one connection of the pool.

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

/// How often an idle worker polls for tasks of which it was not notified.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const DAY: Duration = Duration::from_secs(86_400);

#[tokio::main]
async fn main() -> ExitCode {
    bench_harness::main::<Apalis>().await
}

#[derive(Clone)]
struct Apalis {
    ours: SqliteStorage<Arguments>,
    foreign: SqliteStorage<Arguments>,
    new_rows: HookCallbackListener,
    /// The number of workers that were started.
    workers: Arc<AtomicUsize>,
    concurrency: usize,
}

async fn noop(arguments: Arguments, runs: Data<Arc<Runs>>) {
    runs.started(arguments.n);
}

/// Opens the connection pool, and the listener that is notified of new rows.
async fn connect(options: &Options, folder: &Path) -> Result<(SqlitePool, HookCallbackListener)> {
    let level = match options.durability {
        Level::Full => SqliteSynchronous::Full,
        Level::Normal => SqliteSynchronous::Normal,
    };
    let file = folder.join("apalis.db");
    let connect_options = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true);
    let (pool, new_rows) =
        SqliteStorage::connect_with_callback(&format!("sqlite://{}", file.display()))?;
    if options.as_shipped {
        pool.set_connect_options(connect_options);
        SqliteStorage::setup(&pool).await?;
        return Ok((pool, new_rows));
    }
    // Deviation: `setup` leaves its connection with synchronous = OFF. Here it runs on a pool that is closed
    // afterwards; each connection of the other pool gets the requested level. The file stays in WAL mode.
    let first = SqlitePool::connect_with(connect_options.clone()).await?;
    SqliteStorage::setup(&first).await?;
    first.close().await;
    pool.set_connect_options(connect_options.synchronous(level));
    Ok((pool, new_rows))
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
        let (pool, new_rows) = connect(options, folder).await?;
        let queue =
            |name: &str| SqliteStorage::new(&pool).with_config(Config::default().queue(name));
        Ok(Self {
            ours: queue("noop"),
            foreign: queue("foreign"),
            new_rows,
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
        // Deviation: by default, a worker that found no task polls again at its next heartbeat, after 30 s. This is the
        // strategy from its README.
        let strategy = Strategy::new()
            .stream(self.new_rows.clone())
            .interval(POLL_INTERVAL);
        // apalis refuses a worker name that was used before.
        let number = self.workers.fetch_add(1, Ordering::Relaxed);
        let worker = WorkerBuilder::new(format!("bench-{number}"))
            .backend(self.ours.clone().poll_with_strategy(strategy))
            .data(runs)
            // Deviation: the default has no limit.
            .concurrency(self.concurrency)
            .build(noop);
        Ok(tokio::spawn(async move {
            if let Err(error) = worker.run().await {
                eprintln!("the worker failed: {error}");
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
