//! apalis-sql 0.7 (SQLite), tuned: it fetches up to 1,000 tasks every millisecond. `--as-shipped` keeps its default of
//! 10 tasks every 100 ms.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use apalis::prelude::*;
use apalis_sql::Config;
use apalis_sql::context::SqlContext;
use apalis_sql::sqlite::SqliteStorage;
use bench_harness::{
    Arguments, Contender, Job, Level, Options, Result, Runs, only_default_conditions, poll_until,
};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use tokio::task::JoinHandle;

const DAY: i64 = 86_400;

#[tokio::main]
async fn main() -> ExitCode {
    bench_harness::main::<Apalis>().await
}

#[derive(Clone)]
struct Apalis {
    ours: SqliteStorage<Arguments>,
    foreign: SqliteStorage<Arguments>,
    concurrency: usize,
}

async fn noop(arguments: Arguments, runs: Data<Arc<Runs>>) {
    runs.started(arguments.n);
}

/// Opens the connection pool.
///
/// Deviation: `setup` sets `synchronous` on one connection only, so this opens a second pool that sets it on all.
async fn pool(options: &Options, folder: &Path) -> Result<SqlitePool> {
    let level = match options.durability {
        Level::Full => SqliteSynchronous::Full,
        Level::Normal => SqliteSynchronous::Normal,
    };
    let connect_options = SqliteConnectOptions::new()
        .filename(folder.join("apalis.db"))
        .create_if_missing(true)
        .synchronous(level);
    let pool = SqlitePool::connect_with(connect_options.clone()).await?;
    SqliteStorage::setup(&pool).await?;
    pool.close().await;
    Ok(SqlitePool::connect_with(connect_options).await?)
}

fn config(name: &str, options: &Options) -> Config {
    let config = Config::new(name);
    match options.as_shipped {
        true => config,
        // Deviation: the default is 10 tasks every 100 ms, so at most 100 per second.
        false => config
            .set_poll_interval(Duration::from_millis(1))
            .set_buffer_size(1_000),
    }
}

impl Contender for Apalis {
    const NAME: &'static str = "apalis07";
    /// A stored task becomes due in the next second of the clock.
    const PERIOD: Duration = Duration::from_secs(1);
    type Pool = JoinHandle<()>;

    fn check(options: &Options) -> Result<()> {
        only_default_conditions(options)
    }

    async fn open(options: &Options, folder: &Path) -> Result<Self> {
        let pool = pool(options, folder).await?;
        let queue = |name| SqliteStorage::new_with_config(pool.clone(), config(name, options));
        Ok(Self {
            ours: queue("noop"),
            foreign: queue("foreign"),
            concurrency: options.concurrency,
        })
    }

    async fn enqueue(&self, job: Job) -> Result<()> {
        let queue = if job.foreign {
            &self.foreign
        } else {
            &self.ours
        };
        let mut queue = queue.clone();
        if job.future {
            let mut context = SqlContext::new();
            context.set_priority(9);
            let request = Request::new_with_ctx(job.arguments(), context);
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            queue
                .schedule_request(request, now.as_secs() as i64 + DAY)
                .await?;
        } else {
            queue.push(job.arguments()).await?;
        }
        Ok(())
    }

    async fn enqueue_many(&self, _: Vec<Job>) -> Result<()> {
        Err("it has no bulk enqueue call".into())
    }

    async fn preload(&self, jobs: Vec<Job>) -> Result<()> {
        for job in jobs {
            self.enqueue(job).await?;
        }
        Ok(())
    }

    async fn start(&self, runs: Arc<Runs>) -> Result<JoinHandle<()>> {
        let worker = WorkerBuilder::new("bench")
            .data(runs)
            // Deviation: the default has no limit.
            .concurrency(self.concurrency)
            .backend(self.ours.clone())
            .build_fn(noop);
        let monitor = Monitor::new().register(worker);
        Ok(tokio::spawn(async move {
            if let Err(error) = monitor.run().await {
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
