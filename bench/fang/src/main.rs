//! fang 0.11 (async, SQLite), corrected: its file is in WAL mode, finished tasks are kept, and idle workers poll often.
//! `--as-shipped` keeps the default journal and sleep times.

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

/// The size of the connection pool. A worker holds a connection only while it writes.
const CONNECTIONS: u32 = 10;
const DAY: Duration = Duration::from_secs(86_400);

/// fang deserialises each handler from its row, so a handler gets its state from here.
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
        // Deviation: fang sets no journal mode. The mode is stored in the file.
        conn.batch_execute("PRAGMA journal_mode = WAL")?;
    }
    fang::run_migrations_sqlite(&mut conn).map_err(|e| e.to_string().into())
}

impl Contender for Fang {
    const NAME: &'static str = "fang";
    type Pool = ();

    fn check(options: &Options) -> Result<()> {
        if options.durability == Level::Normal {
            return Err("fang uses the default of SQLite, FULL, and has no setting for it: use --durability full".into());
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
        Err("it has no bulk enqueue call".into())
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
            // Deviation: by default, idle workers sleep 5 s, and then longer each time.
            let pause = Duration::from_millis(10);
            (sleep.sleep_period, sleep.min_sleep_period) = (pause, pause);
            (sleep.max_sleep_period, sleep.sleep_step) = (pause, Duration::ZERO);
        }
        let mut pool: AsyncWorkerPool<AsyncQueue> = AsyncWorkerPool::builder()
            .queue(self.queue.clone())
            .number_of_workers(self.workers)
            .task_type("noop")
            .sleep_params(sleep)
            // Deviation: the default deletes finished tasks. All contenders keep their results.
            .retention_mode(RetentionMode::KeepAll)
            .build();
        pool.start().await;
        Ok(())
    }

    /// Waits for the successes only: the workers can't be stopped, they end with the program.
    async fn stop(&self, _: (), successes: u64) -> Result<()> {
        poll_until(|| async { Ok(self.succeeded().await? >= successes) }).await
    }

    async fn succeeded(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM fang_tasks WHERE state = 'finished'";
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&self.reader).await?;
        Ok(count as u64)
    }
}
