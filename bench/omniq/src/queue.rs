//! The contender OmniQ: its settings, tasks and pool.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bench_harness::{Contender, Job, Level, Options, Result, Runs, StorageKind};
use omniq::{AsyncOmniQ, AsyncWorkerPool, Durability, Order, Settings, State};

const DAY: Duration = Duration::from_secs(86_400);

#[omniq::task(name = "noop")]
async fn noop(runs: State<Arc<Runs>>, n: usize) {
    runs.started(n);
}

#[omniq::task]
async fn padded(runs: State<Arc<Runs>>, n: usize, pad: String) {
    drop(pad);
    runs.started(n);
}

#[derive(Clone)]
pub struct Queue {
    pub omniq: AsyncOmniQ,
    concurrency: usize,
    prefetch: Option<usize>,
}

impl Queue {
    /// Wraps an open queue, with the pool options of this run.
    pub fn new(omniq: AsyncOmniQ, options: &Options) -> Self {
        Self {
            omniq,
            concurrency: options.concurrency,
            prefetch: options.prefetch,
        }
    }
}

/// Returns the URL of a storage in this folder.
fn url(storage: StorageKind, folder: &Path) -> String {
    let folder = folder.display();
    match storage {
        StorageKind::Sqlite => format!("sqlite:///{folder}/omniq.db"),
        StorageKind::File => format!("file://{folder}/omniq"),
        StorageKind::Memory => "memory:".to_owned(),
    }
}

pub fn settings(options: &Options, folder: &Path) -> omniq::Result<Settings> {
    let durability = match options.durability {
        Level::Full => Durability::Full,
        Level::Normal => Durability::Normal,
    };
    Settings::builder()
        .url(url(options.storage, folder))
        .durability(durability)
        // The default is 1 MiB. The arguments are a little larger than their padding.
        .max_payload((options.payload + 1_024).max(1 << 20))
        .build()
}

pub fn order(job: Job) -> Order<()> {
    let order = match job.pad {
        _ if job.foreign => Order::new("foreign").arg(job.n),
        None => noop::with(job.n),
        Some(pad) => padded::with(job.n, pad.to_string()),
    };
    let order = match job.queue {
        Some(queue) => order.queue(format!("queue-{queue}")),
        None => order,
    };
    match job.future {
        true => order.delay(DAY).priority(9),
        false => order,
    }
}

impl Contender for Queue {
    const NAME: &'static str = "omniq";
    type Pool = AsyncWorkerPool;

    fn check(options: &Options) -> Result<()> {
        match options.own_commit {
            true => Err("--own-commit is only supported by the raw limit".into()),
            false => Ok(()),
        }
    }

    fn sqlite_version() -> &'static str {
        omniq::rusqlite::version()
    }

    async fn open(options: &Options, folder: &Path) -> Result<Self> {
        let omniq = AsyncOmniQ::with_settings(settings(options, folder)?).await?;
        Ok(Self::new(omniq, options))
    }

    async fn enqueue(&self, job: Job) -> Result<()> {
        self.omniq.enqueue(order(job)).await?;
        Ok(())
    }

    async fn enqueue_many(&self, jobs: Vec<Job>) -> Result<()> {
        let orders = jobs.into_iter().map(order);
        self.omniq.enqueue_many(orders).await?;
        Ok(())
    }

    async fn start(&self, runs: Arc<Runs>) -> Result<AsyncWorkerPool> {
        let mut worker = self.omniq.worker().concurrency(self.concurrency);
        if let Some(prefetch) = self.prefetch {
            worker = worker.prefetch(prefetch);
        }
        let worker = worker.task::<noop>().task::<padded>().state(runs);
        Ok(worker.start().await?)
    }

    /// Stops the pool, which writes every outcome before it returns.
    async fn stop(&self, pool: AsyncWorkerPool, _: u64) -> Result<()> {
        pool.stop().await?;
        Ok(())
    }

    async fn succeeded(&self) -> Result<u64> {
        let stats = self.omniq.stats().await?;
        Ok(stats.queues.values().map(|queue| queue.success).sum())
    }

    async fn start_idle_waits(&self, waits: usize) -> Result<()> {
        let orders = (0..waits).map(|n| noop::with(n).delay(DAY));
        for handle in self.omniq.enqueue_many(orders).await? {
            // The wait ends with the program.
            tokio::spawn(async move { handle.wait(DAY).await });
        }
        Ok(())
    }
}
