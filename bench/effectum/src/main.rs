//! effectum 0.7, corrected: its file is in WAL mode. `--as-shipped` keeps the rollback journal.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bench_harness::{
    Arguments, Contender, Job, Level, Options, Result, Runs, only_default_conditions, poll_until,
};
use effectum::{JobRunner, Queue, RunningJob, Worker};
use rusqlite::Connection;

const DAY: Duration = Duration::from_secs(86_400);

/// Keeps the queue alive: its writer thread panics if the queue is dropped outside the runtime.
static KEEP_ALIVE: OnceLock<Arc<Queue>> = OnceLock::new();

#[tokio::main]
async fn main() -> ExitCode {
    bench_harness::main::<Effectum>().await
}

#[derive(Clone)]
struct Effectum {
    queue: Arc<Queue>,
    /// A connection for counting successes.
    reader: Arc<Mutex<Connection>>,
    concurrency: u16,
}

/// The state that the handlers share.
#[derive(Clone)]
struct Shared(Arc<Runs>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

async fn noop(job: RunningJob, shared: Shared) -> Result<()> {
    let arguments: Arguments = job.json_payload()?;
    shared.0.started(arguments.n);
    Ok(())
}

fn order(job: &Job) -> Result<effectum::Job> {
    let name = if job.foreign { "foreign" } else { "noop" };
    let order = effectum::Job::builder(name).json_payload(&job.arguments())?;
    Ok(match job.future {
        true => order
            .priority(9)
            .run_at(time::OffsetDateTime::now_utc() + DAY)
            .build(),
        false => order.build(),
    })
}

impl Contender for Effectum {
    const NAME: &'static str = "effectum";
    type Pool = Worker;

    fn check(options: &Options) -> Result<()> {
        if options.durability == Level::Full && !options.as_shipped {
            return Err(
                "effectum sets synchronous to NORMAL itself: use --durability normal".into(),
            );
        }
        only_default_conditions(options)
    }

    fn sqlite_version() -> &'static str {
        rusqlite::version()
    }

    async fn open(options: &Options, folder: &Path) -> Result<Self> {
        let path = folder.join("effectum.db");
        let reader = Connection::open(&path)?;
        if !options.as_shipped {
            // Deviation: effectum requests WAL with a pragma of the wrong name ("journal"), which SQLite ignores. The
            // mode is stored in the file, so a file that is in WAL mode before effectum opens it stays in WAL mode.
            reader.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        }
        reader.busy_timeout(Duration::from_secs(10))?;
        let queue = Arc::new(Queue::new(&path).await?);
        KEEP_ALIVE.get_or_init(|| Arc::clone(&queue));
        Ok(Self {
            queue,
            reader: Arc::new(Mutex::new(reader)),
            concurrency: options.concurrency.try_into()?,
        })
    }

    async fn enqueue(&self, job: Job) -> Result<()> {
        self.queue.add_job(order(&job)?).await?;
        Ok(())
    }

    async fn enqueue_many(&self, jobs: Vec<Job>) -> Result<()> {
        let orders: Result<Vec<_>> = jobs.iter().map(order).collect();
        self.queue.add_jobs(orders?).await?;
        Ok(())
    }

    async fn start(&self, runs: Arc<Runs>) -> Result<Worker> {
        let runner = JobRunner::builder("noop", noop).build();
        let worker = Worker::builder(&self.queue, Shared(runs)).jobs([runner]);
        // Deviation: the default is one handler at a time. The default for fetching, as soon as a seat is free, is
        // kept.
        Ok(worker.max_concurrency(self.concurrency).build().await?)
    }

    async fn stop(&self, worker: Worker, successes: u64) -> Result<()> {
        poll_until(|| async { Ok(self.succeeded().await? >= successes) }).await?;
        Ok(worker.unregister(None).await?)
    }

    async fn succeeded(&self) -> Result<u64> {
        let reader = self.reader.lock().map_err(|e| e.to_string())?;
        let sql = "SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL";
        let count: i64 = reader.query_row(sql, [], |row| row.get(0))?;
        Ok(count as u64)
    }
}
