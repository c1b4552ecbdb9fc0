//! A pool that works while producers enqueue, and a record of the answers that the producers got.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use omniq::{
    Args, AsyncOmniQ, AsyncWorkerPool, Error, ErrorKind, TaskContext, TaskError, TaskHandle, call,
};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::disk::CEILING;
use crate::test_database::within;

const PRODUCERS: usize = 8;

/// The answers that the producers got, by the number of the task, and how often each task ran.
#[derive(Default)]
struct Record {
    acknowledged: Vec<(u64, TaskHandle<Value>)>,
    unknown: Vec<u64>,
    refused: Vec<u64>,
    runs: HashMap<u64, u32>,
}

#[derive(Default)]
struct Shared {
    record: Mutex<Record>,
    next_number: AtomicU64,
    stop: AtomicBool,
    acknowledged: watch::Sender<usize>,
    errors: watch::Sender<Vec<String>>,
}

impl Shared {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn produce(&self, omniq: &AsyncOmniQ) {
        while !self.stop.load(Ordering::SeqCst) {
            let number = self.next_number.fetch_add(1, Ordering::SeqCst);
            match omniq.enqueue(call("count").arg(number)).await {
                Ok(handle) => {
                    self.record().acknowledged.push((number, handle));
                    self.acknowledged.send_modify(|count| *count += 1);
                }
                Err(error) => self.record_error(number, &error),
            }
        }
    }

    fn record_error(&self, number: u64, error: &Error) {
        assert_eq!(error.kind(), ErrorKind::Storage, "{error:?}");
        assert!(error.is_unknown() != error.is_retryable(), "{error:?}");
        let mut record = self.record();
        if error.is_unknown() {
            record.unknown.push(number);
        } else {
            record.refused.push(number);
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
    pub(crate) async fn start(omniq: &AsyncOmniQ) -> Self {
        let shared = Arc::new(Shared::default());
        let of_handler = Arc::clone(&shared);
        let count = move |_: TaskContext, args: Args| {
            let shared = Arc::clone(&of_handler);
            async move {
                let (number,): (u64,) = args.bind(&["number"])?;
                *shared.record().runs.entry(number).or_default() += 1;
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

    /// Waits until `tasks` more tasks have been acknowledged.
    pub(crate) async fn progresses_by(&self, tasks: usize) {
        let mut acknowledged = self.shared.acknowledged.subscribe();
        let expected = *acknowledged.borrow() + tasks;
        let reached = acknowledged.wait_for(|count| *count >= expected);
        within("acknowledged tasks", reached).await.unwrap();
    }

    /// Waits until `span` has passed and at least one enqueue has failed; returns the texts of all errors.
    pub(crate) async fn fails_for(&self, span: Duration) -> Vec<String> {
        let mut errors = self.shared.errors.subscribe();
        let begin = Instant::now();
        let reached = errors.wait_for(|errors| !errors.is_empty() && begin.elapsed() >= span);
        within("refused enqueues", reached).await.unwrap().clone()
    }

    /// Stops the load, and checks that each acknowledged task ran exactly once and no refused one ran.
    pub(crate) async fn assert_all_ran_once(self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        within("the producers", self.producers.join_all()).await;
        let acknowledged = std::mem::take(&mut self.shared.record().acknowledged);
        for (number, handle) in &acknowledged {
            let result = within("a result", handle.wait(CEILING)).await.unwrap();
            assert_eq!(result, *number);
        }
        let summary = within("the stop", self.pool.stop()).await.unwrap();
        assert_eq!(summary.left, 0, "{summary:?}");
        let record = self.shared.record();
        for (number, _) in &acknowledged {
            assert_eq!(record.runs.get(number), Some(&1), "{number}");
        }
        for number in &record.unknown {
            assert!(record.runs.get(number).is_none_or(|runs| *runs == 1));
        }
        for number in &record.refused {
            assert_eq!(record.runs.get(number), None, "{number} was refused");
        }
    }
}
