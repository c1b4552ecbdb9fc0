//! Defines the task: the SHA-256 of one file.

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

use crate::progress::Unfinished;
use crate::{Found, Result};

pub const TASK: &str = "quickstart.sha256";

/// What the task returns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Digest {
    pub sha256: String,
    pub size: u64,
}

/// Computes the digest of one file. A file that can't be read fails permanently: another attempt would not help.
pub async fn of_file(args: Args) -> Result<Digest, TaskError> {
    let (path, _, _): (String, u64, i64) = args.bind(&["path", "size", "changed"])?;
    let guard = StopOnDrop::default();
    let stop = Arc::clone(&guard.0);
    let work = tokio::task::spawn_blocking(move || hash(&path, &stop));
    work.await
        .map_err(TaskError::retryable)?
        .map_err(TaskError::fatal)
}

/// Stops the reading thread when the handler is dropped, because nobody needs its result any more.
#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn hash(path: &str, stop: &AtomicBool) -> std::io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        if stop.load(Ordering::Relaxed) {
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

/// Enqueues the files that have no stored result. Returns every task that is not finished.
pub async fn enqueue(omniq: &AsyncOmniQ, files: &[Found]) -> Result<Vec<Unfinished>> {
    let stored = stored(omniq).await?;
    let (mut unfinished, mut new) = (Vec::new(), Vec::new());
    for file in files {
        match stored.get(&file.key()).map(|task| (task.id, task.status)) {
            Some((_, TaskStatus::Success)) => {}
            Some((id, TaskStatus::Failed | TaskStatus::Cancelled)) => {
                omniq.requeue_task(id).await?;
                unfinished.push((omniq.handle(id), file.path.clone()));
            }
            Some((id, _)) => unfinished.push((omniq.handle(id), file.path.clone())),
            None => new.push(file),
        }
    }
    for files in new.chunks(1_000) {
        let handles = omniq
            .enqueue_many(files.iter().map(|file| order(file)))
            .await?;
        let pairs = handles.iter().zip(files);
        unfinished.extend(pairs.map(|(handle, file)| (handle.clone(), file.path.clone())));
    }
    Ok(unfinished)
}

fn order(file: &Found) -> Order<Digest> {
    Order::new(TASK)
        .arg(&file.path)
        .arg(file.size)
        .arg(file.changed)
        .unique_key(file.key())
        .timeout(Duration::from_secs(3600))
}

/// Returns the latest stored task of each file, by the file's key.
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
