//! fang 0.11 (async, SQLite), set right: its file is in WAL mode, finished tasks are kept, and idle workers look
//! often. `--as-shipped` leaves the journal and the sleep as they come.

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bench_harness::{
    Arguments, Contender, Job, Level, Options, Result, Runs, only_default_conditions, poll_until,
};
use diesel::{Connection as _, SqliteConnection, connection::SimpleConnection as _};
use fang::asynk::async_queue::{AsyncQueue, AsyncQueueable};
use fang::asynk::async_worker_pool::AsyncWorkerPool;
use fang::{AsyncRunnable, FangError, RetentionMode, Scheduled, SleepParams, async_trait, typetag};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;

/// Connections of its pool; a worker holds one only while it writes.
const CONNECTIONS: u32 = 10;
const DAY: Duration = Duration::from_secs(86_400);

/// A handler is made from its row and is given no state.
static RUNS: RwLock<Option<Arc<Runs>>> = RwLock::new(None);

#[tokio::main]
async fn main() -> ExitCode {
    bench_harness::main::<Fang>().await
}

#[derive(Clone)]
struct Fang {
    queue: AsyncQueue,
    reader: SqlitePool,
    workers: u32,
    as_shipped: bool,
}

#[derive(Serialize, Deserialize)]
struct Noop {
    #[serde(flatten)]
    arguments: Arguments,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    foreign: bool,
    #[serde(skip)]
    future: bool,
}

#[typetag::serde]
#[async_trait]
impl AsyncRunnable for Noop {
    async fn run(&self, _: &dyn AsyncQueueable) -> std::result::Result<(), FangError> {
        let runs = RUNS.read().unwrap_or_else(PoisonError::into_inner);
        let runs = runs.as_ref().expect("a pool was started");
        runs.started(self.arguments.n);
        Ok(())
    }

    fn task_type(&self) -> String {
        if self.foreign { "foreign" } else { "noop" }.to_owned()
    }

    fn cron(&self) -> Option<Scheduled> {
        self.future
            .then(|| Scheduled::ScheduleOnce(fang::Utc::now() + DAY))
    }
}

fn prepare(file: &str, wal: bool) -> Result<()> {
    let mut conn = SqliteConnection::establish(file)?;
    if wal {
        // Deviation: it sets no journal mode. The mode is kept in the file.
        conn.batch_execute("PRAGMA journal_mode = WAL")?;
    }
    fang::run_migrations_sqlite(&mut conn).map_err(|e| e.to_string().into())
}

impl Contender for Fang {
    const NAME: &'static str = "fang";
    type Pool = ();

    fn check(options: &Options) -> Result<()> {
        if options.durability == Level::Normal {
            return Err("its connections have SQLite's default, FULL, and can't be set".into());
        }
        only_default_conditions(options)
    }

    async fn open(options: &Options, folder: &Path) -> Result<Self> {
        let file = folder.join("fang.db").display().to_string();
        prepare(&file, !options.as_shipped)?;
        let url = format!("sqlite://{file}");
        let mut queue = AsyncQueue::builder()
            .uri(url.clone())
            .max_pool_size(CONNECTIONS)
            .build();
        queue.connect().await?;
        Ok(Self {
            queue,
            reader: SqlitePool::connect(&url).await?,
            workers: options.concurrency.try_into()?,
            as_shipped: options.as_shipped,
        })
    }

    async fn enqueue(&self, job: Job) -> Result<()> {
        let task = Noop {
            arguments: job.arguments(),
            foreign: job.foreign,
            future: job.future,
        };
        match job.future {
            true => self.queue.schedule_task(&task).await?,
            false => self.queue.insert_task(&task).await?,
        };
        Ok(())
    }

    async fn enqueue_many(&self, _: Vec<Job>) -> Result<()> {
        Err("it has no call that enqueues many".into())
    }

    async fn preload(&self, jobs: Vec<Job>) -> Result<()> {
        for job in jobs {
            self.enqueue(job).await?;
        }
        Ok(())
    }

    async fn start(&self, runs: Arc<Runs>) -> Result<()> {
        *RUNS.write().unwrap_or_else(PoisonError::into_inner) = Some(runs);
        let mut sleep = SleepParams::default();
        if !self.as_shipped {
            // Deviation: idle workers sleep 5 s, then longer and longer.
            let moment = Duration::from_millis(10);
            (sleep.sleep_period, sleep.min_sleep_period) = (moment, moment);
            (sleep.max_sleep_period, sleep.sleep_step) = (moment, Duration::ZERO);
        }
        let mut pool: AsyncWorkerPool<AsyncQueue> = AsyncWorkerPool::builder()
            .queue(self.queue.clone())
            .number_of_workers(self.workers)
            .task_type("noop")
            .sleep_params(sleep)
            // Deviation: it would delete what has finished; all contenders keep their results.
            .retention_mode(RetentionMode::KeepAll)
            .build();
        pool.start().await;
        Ok(())
    }

    /// Its workers can't be stopped; they end with the program.
    async fn stop(&self, _: (), successes: u64) -> Result<()> {
        poll_until(|| async { Ok(self.succeeded().await? >= successes) }).await
    }

    async fn succeeded(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM fang_tasks WHERE state = 'finished'";
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&self.reader).await?;
        Ok(count as u64)
    }
}
