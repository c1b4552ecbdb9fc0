//! The contender, which sends commands to the writer.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use bench_harness::{Arguments, Contender, Job, Options, Result, Runs, StorageKind};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::file::File;
use crate::map::Map;
use crate::store::{Row, Store};
use crate::writer::{Command, Writer};

#[derive(Clone)]
pub struct Raw {
    writer: mpsc::Sender<Command>,
    concurrency: usize,
}

impl Raw {
    fn with_store(options: &Options, store: impl Store) -> Self {
        let (sender, inbox) = mpsc::channel();
        let prefetch = options.prefetch.unwrap_or(0);
        let writer = Writer::new(store, prefetch, options.own_commit);
        std::thread::spawn(move || writer.run(inbox));
        Self {
            writer: sender,
            concurrency: options.concurrency,
        }
    }

    async fn send<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.writer.send(command(reply))?;
        Ok(answer.await?)
    }
}

fn row(job: &Job) -> Row {
    Row {
        payload: serde_json::to_vec(&job.arguments())
            .expect("a number and a text can be serialised"),
        foreign: job.foreign,
        future: job.future,
    }
}

/// Runs tasks until the writer hands out no more.
async fn work(raw: Raw, runs: Arc<Runs>) -> Result<()> {
    let mut finished = None;
    while let Ok(claim) = raw
        .send(|reply| Command::FinishAndClaim(finished, reply))
        .await
    {
        let arguments: Arguments = serde_json::from_slice(&claim.payload)?;
        runs.started(arguments.n);
        finished = Some(claim.id);
    }
    Ok(())
}

impl Contender for Raw {
    const NAME: &'static str = "limit";
    type Pool = Vec<JoinHandle<Result<()>>>;

    fn check(options: &Options) -> Result<()> {
        let options = Options {
            storage: match options.storage {
                StorageKind::File => return Err("the raw limit has no folder of files".into()),
                _ => StorageKind::Sqlite,
            },
            prefetch: None,
            own_commit: false,
            ..options.clone()
        };
        bench_harness::only_default_conditions(&options)
    }

    fn sqlite_version() -> &'static str {
        rusqlite::version()
    }

    async fn open(options: &Options, folder: &Path) -> Result<Self> {
        Ok(match options.storage {
            StorageKind::Memory => Self::with_store(options, Map::default()),
            _ => Self::with_store(
                options,
                File::create(&folder.join("limit.db"), options.durability)?,
            ),
        })
    }

    async fn enqueue(&self, job: Job) -> Result<()> {
        self.send(|reply| Command::Insert(vec![row(&job)], reply))
            .await
    }

    async fn enqueue_many(&self, jobs: Vec<Job>) -> Result<()> {
        let rows = jobs.iter().map(row).collect();
        self.send(|reply| Command::Insert(rows, reply)).await
    }

    async fn start(&self, runs: Arc<Runs>) -> Result<Self::Pool> {
        let work = |_| tokio::spawn(work(self.clone(), Arc::clone(&runs)));
        Ok((0..self.concurrency).map(work).collect())
    }

    async fn stop(&self, pool: Self::Pool, _: u64) -> Result<()> {
        self.send(Command::Stop).await?;
        for worker in pool {
            worker.await??;
        }
        Ok(())
    }

    async fn succeeded(&self) -> Result<u64> {
        self.send(Command::Succeeded).await
    }
}
