//! The task: the SHA-256 of one file.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use omniq::{Args, AsyncOmniQ, Order, Task, TaskError, TaskFilter, TaskStatus};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::progress::Waiting;
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
    let wanted = Wanted::default();
    let still = Arc::clone(&wanted.0);
    let work = tokio::task::spawn_blocking(move || hash(&path, &still));
    work.await
        .map_err(TaskError::retryable)?
        .map_err(TaskError::fatal)
}

/// Lowered when the handler is dropped, so that its thread does not read on for nobody.
struct Wanted(Arc<AtomicBool>);

impl Default for Wanted {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn hash(path: &str, wanted: &AtomicBool) -> std::io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        if !wanted.load(Ordering::Relaxed) {
            return Err(ErrorKind::Interrupted.into());
        }
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

/// Enqueues what has no stored result yet. Returns all that are still to come.
pub async fn enqueue(omniq: &AsyncOmniQ, files: &[Found]) -> Result<Vec<Waiting>> {
    let stored = stored(omniq).await?;
    let (mut waiting, mut new) = (Vec::new(), Vec::new());
    for file in files {
        match stored.get(&file.key()).map(|task| (task.id, task.status)) {
            Some((_, TaskStatus::Success)) => {}
            Some((id, TaskStatus::Failed | TaskStatus::Cancelled)) => {
                omniq.requeue_task(id).await?;
                waiting.push((omniq.handle(id), file.path.clone()));
            }
            Some((id, _)) => waiting.push((omniq.handle(id), file.path.clone())),
            None => new.push(file),
        }
    }
    for files in new.chunks(1_000) {
        let handles = omniq
            .enqueue_many(files.iter().map(|file| order(file)))
            .await?;
        let pairs = handles.iter().zip(files);
        waiting.extend(pairs.map(|(handle, file)| (handle.clone(), file.path.clone())));
    }
    Ok(waiting)
}

fn order(file: &Found) -> Order<Digest> {
    Order::new(TASK)
        .arg(&file.path)
        .arg(file.size)
        .arg(file.changed)
        .unique_key(file.key())
        .timeout(Duration::from_secs(3600))
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
