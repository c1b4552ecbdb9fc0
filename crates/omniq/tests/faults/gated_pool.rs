//! A pool whose handlers run until the test lets them return.

use std::sync::Arc;
use std::time::Duration;

use omniq::{Args, AsyncWorkerPool, EventKind, TaskContext, TaskError, TaskHandle, call};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::test_database::{TestDatabase, within};

pub(crate) struct GatedPool {
    pub(crate) pool: AsyncWorkerPool,
    pub(crate) handles: Vec<TaskHandle<Value>>,
    /// Each permit lets one handler return.
    pub(crate) permits: Arc<Semaphore>,
}

impl GatedPool {
    /// Starts a pool, enqueues `tasks` tasks and waits until all of them run.
    pub(crate) async fn start(database: &TestDatabase, tasks: usize) -> Self {
        let permits = Arc::new(Semaphore::new(0));
        let gate = Arc::clone(&permits);
        let wait = move |_: TaskContext, _: Args| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                Ok::<_, TaskError>(())
            }
        };
        let mut events = database.omniq.events();
        let worker = database.omniq.worker().handler("wait", wait);
        let worker = worker.grace(Duration::from_millis(100));
        let pool = worker.start().await.unwrap();
        let mut handles = Vec::new();
        for _ in 0..tasks {
            handles.push(database.omniq.enqueue(call("wait")).await.unwrap());
            let started =
                async { while events.next().await.unwrap().kind != EventKind::Started {} };
            within("a start", started).await;
        }
        Self {
            pool,
            handles,
            permits,
        }
    }
}
