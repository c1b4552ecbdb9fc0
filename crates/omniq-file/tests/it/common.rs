//! Helpers of these tests.

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use omniq_core::settle::{Outcome, settle};
use omniq_core::storage::{ClaimFilter, ClaimRequest, Enqueued};
use omniq_core::{
    Change, CoreSettings, Format, NewTask, OwnerId, Payload, Result, Storage as _, Task, TaskId,
    Timestamp,
};
use omniq_file::FileStorage;

/// A time in 2026.
pub(crate) const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

/// The longest time that a test waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) fn open(folder: &Path) -> Result<FileStorage> {
    let mut settings = CoreSettings::default();
    settings.poll_interval = Duration::from_millis(50);
    FileStorage::open(folder, &settings)
}

pub(crate) fn task(name: &str, number: u64) -> NewTask {
    let payload = format!("{{\"args\":[{number}]}}").into_bytes();
    NewTask::new(name, "default", Payload::new(Format::Json, payload))
}

pub(crate) fn claim() -> ClaimRequest {
    let owner = OwnerId::from_i64(1).unwrap();
    // After the time of every task that these tests drop in.
    let now = NOW.after(Duration::from_secs(100 * 365 * 24 * 60 * 60));
    ClaimRequest::new(owner, ClaimFilter::any(), now, Duration::from_secs(30))
}

/// Returns the change that ends a claimed task as succeeded.
pub(crate) fn success(task: &Task) -> Change {
    let result = Payload::new(Format::Json, b"1".to_vec());
    let then = Vec::new();
    settle(task, Outcome::Succeeded { result, then }, NOW, 0.0).unwrap()
}

pub(crate) async fn enqueue(storage: &FileStorage, task: NewTask) -> TaskId {
    match within(storage.enqueue(vec![task], NOW)).await.unwrap()[..] {
        [Enqueued::New(id)] => id,
        ref other => panic!("expected one new task, got {other:?}"),
    }
}

pub(crate) async fn claimed(storage: &FileStorage) -> Vec<Task> {
    within(storage.claim(claim().limit(100)))
        .await
        .unwrap()
        .tasks
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(TIMEOUT, future).await;
    answer.expect("no answer in time")
}

/// Returns all files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Returns the file of a task, in whichever folder it is.
pub(crate) fn file_of(folder: &Path, id: TaskId) -> PathBuf {
    let name = format!("{id}.json");
    let is_of_task = |path: &PathBuf| path.to_string_lossy().ends_with(&name);
    files(folder).into_iter().find(is_of_task).unwrap()
}

/// Returns the number of quarantined files, and the texts of all reasons.
pub(crate) fn quarantine(folder: &Path) -> (usize, String) {
    let all = files(&folder.join("queue/quarantine"));
    let is_reason = |path: &&PathBuf| path.to_string_lossy().ends_with(".reason.txt");
    let reasons: Vec<_> = all.iter().filter(is_reason).collect();
    let text = reasons.iter().map(|path| fs::read_to_string(path).unwrap());
    (all.len() - reasons.len(), text.collect())
}
