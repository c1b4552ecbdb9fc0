//! apalis-sqlite 1.0, set right: every connection has the durability that was asked for, and an idle worker looks each
//! millisecond. `--as-shipped` leaves durability to `setup`, which turns `synchronous` off on one connection of the pool.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::*;
use apalis_sqlite::{Config, SqliteStorage};
use bench_harness::{
    Arguments, Contender, Job, Level, Options, Result, Runs, only_default_conditions, poll_until,
};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};
use tokio::task::JoinHandle;

/// How often an idle worker looks for tasks.
const LOOK: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(86_400);

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

/// The pool of connections: prepared by `setup`, and then opened again.
async fn pool(options: &Options, folder: &Path) -> Result<SqlitePool> {
    let level = match options.durability {
        Level::Full => SqliteSynchronous::Full,
        Level::Normal => SqliteSynchronous::Normal,
    };
    let place = SqliteConnectOptions::new()
        .filename(folder.join("apalis.db"))
        .create_if_missing(true)
        .synchronous(level);
    let pool = SqlitePool::connect_with(place.clone()).await?;
    SqliteStorage::setup(&pool).await?;
    if options.as_shipped {
        return Ok(pool);
    }
    // Deviation: the connection that `setup` ran on has synchronous = OFF. A new pool has none such; WAL is kept in the
    // file.
    pool.close().await;
    Ok(SqlitePool::connect_with(place).await?)
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
        let pool = pool(options, folder).await?;
        let queue =
            |name: &str| SqliteStorage::new(&pool).with_config(Config::default().queue(name));
        Ok(Self {
            ours: queue("noop"),
            foreign: queue("foreign"),
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
        let worker = WorkerBuilder::new("bench")
            // Deviation: a worker that found nothing looks again at its next heartbeat, after 30 s.
            .backend(self.ours.clone().poll_with_interval(LOOK))
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
