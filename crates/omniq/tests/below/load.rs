//! A pool that works while producers enqueue, and the account of what they were told.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use omniq::{
    Args, AsyncOmniQ, AsyncWorkerPool, Error, ErrorKind, Settings, SettingsBuilder, SqliteStorage,
    TaskContext, TaskError, TaskHandle, call,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::disk::{CEILING, Disk};
use crate::warnings;

/// Long enough for the pool to try several times, and for the sweep to look.
pub(crate) const LONG: Duration = Duration::from_millis(1500);

const PRODUCERS: usize = 8;

/// A database on a disk of its own, and a queue on it.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) disk: Arc<Disk>,
    pub(crate) omniq: AsyncOmniQ,
}

impl Place {
    pub(crate) async fn open(settings: SettingsBuilder) -> Self {
        warnings::listen();
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("jobs.db");
        let disk = Disk::under(&path);
        let settings = settings.build().unwrap();
        let storage = Arc::new(SqliteStorage::open(&path, &settings).unwrap());
        let omniq = AsyncOmniQ::with_storage(storage, settings).await.unwrap();
        Self {
            folder,
            path,
            disk,
            omniq,
        }
    }

    /// Each thing was said once: a disk that fails in one way is one condition.
    pub(crate) fn each_was_said_once(&self) {
        let said = warnings::said_of(self.folder.path());
        assert!(!said.is_empty(), "nobody was told");
        for (subject, texts) in said {
            assert_eq!(texts.len(), 1, "{subject}: {texts:#?}");
        }
    }
}

/// Settings under which a lost lease is taken over soon.
pub(crate) fn quick() -> SettingsBuilder {
    Settings::builder()
        .poll_interval(Duration::from_millis(100))
        .lease(Duration::from_secs(2))
}

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(2 * CEILING, future).await;
    answer.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// What the producers were told, and which tasks ran how often.
#[derive(Default)]
struct Account {
    kept: Vec<(u64, TaskHandle<Value>)>,
    unknown: Vec<u64>,
    refused: Vec<u64>,
    runs: HashMap<u64, u32>,
}

#[derive(Default)]
struct Shared {
    account: Mutex<Account>,
    next: AtomicU64,
    enough: AtomicBool,
    kept: watch::Sender<usize>,
    errors: watch::Sender<Vec<String>>,
}

impl Shared {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn produce(&self, omniq: &AsyncOmniQ) {
        while !self.enough.load(Ordering::SeqCst) {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            let told = omniq.enqueue(call("count").arg(number)).await;
            match told {
                Ok(handle) => {
                    self.account().kept.push((number, handle));
                    self.kept.send_modify(|kept| *kept += 1);
                }
                Err(error) => self.refuse(number, &error),
            }
        }
    }

    fn refuse(&self, number: u64, error: &Error) {
        assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
        assert!(error.is_unknown() != error.is_retryable(), "{error:?}");
        let mut account = self.account();
        if error.is_unknown() {
            account.unknown.push(number);
        } else {
            account.refused.push(number);
        }
        self.errors
            .send_modify(|errors| errors.push(error.to_string()));
    }
}

/// A pool and its producers at work.
pub(crate) struct Load {
    shared: Arc<Shared>,
    producers: JoinSet<()>,
    pool: AsyncWorkerPool,
}

impl Load {
    pub(crate) async fn on(omniq: &AsyncOmniQ) -> Self {
        let shared = Arc::new(Shared::default());
        let book = Arc::clone(&shared);
        let count = move |_: TaskContext, args: Args| {
            let book = Arc::clone(&book);
            async move {
                let (number,): (u64,) = args.bind(&["number"])?;
                *book.account().runs.entry(number).or_default() += 1;
                Ok::<_, TaskError>(number)
            }
        };
        let worker = omniq.worker().concurrency(4).handler("count", count);
        let pool = worker.start().await.unwrap();
        let mut producers = JoinSet::new();
        for _ in 0..PRODUCERS {
            let (shared, omniq) = (Arc::clone(&shared), omniq.clone());
            producers.spawn(async move { shared.produce(&omniq).await });
        }
        Self {
            shared,
            producers,
            pool,
        }
    }

    /// Waits until so many more tasks were acknowledged.
    pub(crate) async fn goes_on(&self, tasks: usize) {
        let mut kept = self.shared.kept.subscribe();
        let enough = *kept.borrow() + tasks;
        let reached = kept.wait_for(|kept| *kept >= enough);
        within("acknowledged tasks", reached).await.unwrap();
    }

    /// Waits until enqueues have been refused for so long; gives what they were told. The pool has tried
    /// several times by then.
    pub(crate) async fn fails_for(&self, span: Duration) -> Vec<String> {
        let mut errors = self.shared.errors.subscribe();
        let begin = Instant::now();
        let reached = errors.wait_for(|errors| !errors.is_empty() && begin.elapsed() >= span);
        within("refused enqueues", reached).await.unwrap().clone()
    }

    /// Ends it: all that was acknowledged has run once, and nothing that was refused.
    pub(crate) async fn all_ran_once(self) {
        self.shared.enough.store(true, Ordering::SeqCst);
        within("the producers", self.producers.join_all()).await;
        let kept = std::mem::take(&mut self.shared.account().kept);
        for (number, handle) in &kept {
            let result = within("a result", handle.wait(CEILING)).await.unwrap();
            assert_eq!(result, *number);
        }
        let summary = within("the stop", self.pool.stop()).await.unwrap();
        assert_eq!(summary.left, 0, "{summary:?}");
        let account = self.shared.account();
        for (number, _) in &kept {
            assert_eq!(account.runs.get(number), Some(&1), "{number}");
        }
        for number in &account.unknown {
            assert!(account.runs.get(number).is_none_or(|runs| *runs == 1));
        }
        for number in &account.refused {
            assert_eq!(account.runs.get(number), None, "{number} was refused");
        }
    }
}
