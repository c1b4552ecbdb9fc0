//! What a contender has to be able to do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Options, Runs, StorageKind, Workload};

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;

/// A task to be enqueued.
#[derive(Debug, Clone, Default)]
pub struct Job {
    pub n: usize,
    /// Extra bytes in the arguments.
    pub pad: Option<Arc<str>>,
    /// Of a name that the pool doesn't have.
    pub foreign: bool,
    /// Due in a day, of a higher priority.
    pub future: bool,
    /// One of many queues.
    pub queue: Option<usize>,
}

/// The arguments of a task: `{"n": 7}`, or with the extra bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Arguments {
    pub n: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad: Option<Arc<str>>,
}

impl Job {
    pub fn arguments(&self) -> Arguments {
        Arguments {
            n: self.n,
            pad: self.pad.clone(),
        }
    }
}

/// A queue under test. Clones are the same queue.
pub trait Contender: Clone + Send + Sync + 'static {
    const NAME: &'static str;
    /// In W4, the moments of enqueueing are spread over this, so that they don't keep step with what a contender does
    /// at regular times.
    const PERIOD: Duration = Duration::from_millis(6);
    type Pool: Send;

    /// An error that says why, if it can't do what these options ask for.
    fn check(options: &Options) -> Result<()> {
        only_default_conditions(options)
    }

    /// Which SQLite it runs on, where it tells.
    fn sqlite_version() -> &'static str {
        ""
    }

    /// A fresh queue in this empty folder.
    fn open(options: &Options, folder: &Path) -> impl Future<Output = Result<Self>> + Send;

    /// One task; returns after its commit.
    fn enqueue(&self, job: Job) -> impl Future<Output = Result<()>> + Send;

    /// All of them in one call, if there is such a call.
    fn enqueue_many(&self, jobs: Vec<Job>) -> impl Future<Output = Result<()>> + Send;

    /// Fills the file while no clock runs; contenders without a call for many help themselves.
    fn preload(&self, jobs: Vec<Job>) -> impl Future<Output = Result<()>> + Send {
        self.enqueue_many(jobs)
    }

    /// Starts a pool whose handler reads the arguments, calls [`Runs::started`] and is done.
    fn start(&self, runs: Arc<Runs>) -> impl Future<Output = Result<Self::Pool>> + Send;

    /// Stops the pool. When it returns, everything that ran has been committed; where the contender can't
    /// tell, when there are so many successes in the file.
    fn stop(&self, pool: Self::Pool, successes: u64) -> impl Future<Output = Result<()>> + Send;

    /// How many successes the file holds.
    fn succeeded(&self) -> impl Future<Output = Result<u64>> + Send;

    /// Waits from now on for the results of so many tasks that don't run.
    fn wait_in_vain(&self, _waits: usize) -> impl Future<Output = Result<()>> + Send {
        async { Err("it has no handles to wait on".into()) }
    }
}

/// Refuses what only OmniQ or only the raw limit can do.
pub fn only_default_conditions(options: &Options) -> Result<()> {
    let refused = [
        (options.storage != StorageKind::Sqlite, "--storage"),
        (options.queues > 0, "--queues"),
        (options.waits > 0, "--waits"),
        (options.processes > 1, "--processes"),
        (options.across, "--across"),
        (options.own_commit, "--own-commit"),
        (options.prefetch.is_some(), "--prefetch"),
        (options.workload == Workload::Day, "--workload day"),
    ];
    match refused.iter().find(|(asked, _)| *asked) {
        None => Ok(()),
        Some((_, option)) => Err(format!("{option} is not for this contender").into()),
    }
}

/// Asks again each millisecond until it is so.
pub async fn poll_until<F>(mut is_so: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    while !is_so().await? {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
