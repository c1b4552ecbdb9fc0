//! The task: the SHA-256 of one file.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use omniq::{Args, AsyncOmniQ, Task, TaskError, TaskFilter, TaskHandle, TaskStatus, call};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Found, Result};

pub const TASK: &str = "quickstart.sha256";

/// What the task returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Digest {
    pub sha256: String,
    pub size: u64,
}

/// The handler. A file that can't be read is a failure that no further attempt would mend.
pub async fn of_file(args: Args) -> Result<Digest, TaskError> {
    let (path, _, _): (String, u64, i64) = args.bind(&["path", "size", "changed"])?;
    let work = tokio::task::spawn_blocking(move || hash(&path));
    work.await
        .map_err(TaskError::retryable)?
        .map_err(TaskError::fatal)
}

fn hash(path: &str) -> std::io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        size += read as u64;
    }
    let mut sha256 = String::with_capacity(64);
    for byte in hasher.finalize() {
        // Writing to a string can't fail.
        let _ = write!(sha256, "{byte:02x}");
    }
    Ok(Digest { sha256, size })
}

/// Enqueues what has no stored result yet. Returns the handles of all that are still to come.
pub async fn enqueue(omniq: &AsyncOmniQ, files: &[Found]) -> Result<Vec<TaskHandle<Digest>>> {
    let stored = stored(omniq).await?;
    let mut waiting = Vec::new();
    let mut orders = Vec::new();
    for file in files {
        let key = file.key();
        match stored.get(&key).map(|task| (task.id, task.status)) {
            Some((_, TaskStatus::Success)) => {}
            Some((id, TaskStatus::Failed | TaskStatus::Cancelled)) => {
                omniq.requeue_task(id).await?;
                waiting.push(omniq.handle(id));
            }
            Some((id, _)) => waiting.push(omniq.handle(id)),
            None => {
                let order = call(TASK).arg(&file.path).arg(file.size).arg(file.changed);
                orders.push(order.unique_key(key).timeout(Duration::from_secs(3600)));
            }
        }
    }
    while !orders.is_empty() {
        let rest = orders.split_off(orders.len().min(1_000));
        let handles = omniq
            .enqueue_many(std::mem::replace(&mut orders, rest))
            .await?;
        waiting.extend(handles.iter().map(|handle| omniq.handle(handle.id())));
    }
    Ok(waiting)
}

/// The latest task of each file that was ever enqueued here, by its key.
pub async fn stored(omniq: &AsyncOmniQ) -> Result<HashMap<String, Task>> {
    let mut stored = HashMap::new();
    let mut filter = TaskFilter::new().name(TASK).limit(1_000);
    loop {
        let page = omniq.list_tasks(filter.clone()).await?;
        let Some(last) = page.last() else {
            return Ok(stored);
        };
        filter = filter.after(last.id);
        for task in page {
            if let Some(key) = task.unique_key.clone() {
                stored.insert(key, task);
            }
        }
    }
}
