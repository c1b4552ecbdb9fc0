//! The trait that every contender implements.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Options, Runs, StorageKind, Workload};

pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;

/// A task to enqueue.
#[derive(Debug, Clone, Default)]
pub struct Job {
    pub n: usize,
    /// Extra bytes in the arguments.
    pub pad: Option<Arc<str>>,
    /// The task has a name for which the pool has no handler.
    pub foreign: bool,
    /// The task is due in a day, and has a higher priority than the others.
    pub future: bool,
    /// The number of the queue, if the tasks are spread over many queues.
    pub queue: Option<usize>,
}

/// The arguments of a task: `{"n": 7}`, and the extra bytes if there are any.
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

/// A queue under test. Clones refer to the same queue.
pub trait Contender: Clone + Send + Sync + 'static {
    const NAME: &'static str;
    /// W4 spreads its enqueues randomly over this time, so that they are not in step with the polling of a contender.
    const PERIOD: Duration = Duration::from_millis(6);
    type Pool: Send;

    /// Returns an error that gives the reason if the contender doesn't support these options.
    fn check(options: &Options) -> Result<()> {
        only_default_conditions(options)
    }

    /// Returns the version of SQLite that the contender uses, or an empty text if that is unknown.
    fn sqlite_version() -> &'static str {
        ""
    }

    /// Opens a new queue in this empty folder.
    fn open(options: &Options, folder: &Path) -> impl Future<Output = Result<Self>> + Send;

    /// Enqueues one task. Returns after its commit.
    fn enqueue(&self, job: Job) -> impl Future<Output = Result<()>> + Send;

    /// Enqueues all tasks in one call, or returns an error if the contender has no such call.
    fn enqueue_many(&self, jobs: Vec<Job>) -> impl Future<Output = Result<()>> + Send;

    /// Fills the file before the measurement starts. Contenders without a bulk call override this.
    fn preload(&self, jobs: Vec<Job>) -> impl Future<Output = Result<()>> + Send {
        self.enqueue_many(jobs)
    }

    /// Starts a pool whose handler reads the arguments, calls [`Runs::started`] and returns.
    fn start(&self, runs: Arc<Runs>) -> impl Future<Output = Result<Self::Pool>> + Send;

    /// Stops the pool. Returns when the results of all executions are committed. A contender that doesn't report this
    /// waits until the file holds this many successes.
    fn stop(&self, pool: Self::Pool, successes: u64) -> impl Future<Output = Result<()>> + Send;

    /// Returns the number of successes in the file.
    fn succeeded(&self) -> impl Future<Output = Result<u64>> + Send;

    /// Starts this many callers that wait for the results of tasks that never run.
    fn start_idle_waits(&self, _waits: usize) -> impl Future<Output = Result<()>> + Send {
        async { Err("it has no call that waits for a result".into()) }
    }
}

/// Refuses the options that only OmniQ or only the raw limit supports.
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
    match refused.iter().find(|(requested, _)| *requested) {
        None => Ok(()),
        Some((_, option)) => Err(format!("{option} is not supported by this contender").into()),
    }
}

/// Checks a condition every millisecond until it is true.
pub async fn poll_until<F>(mut condition: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    while !condition().await? {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
