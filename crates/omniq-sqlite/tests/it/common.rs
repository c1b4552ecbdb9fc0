//! Helpers of these tests.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use omniq_core::settle::settle;
use omniq_core::storage::{ClaimFilter, ClaimRequest, Enqueued};
use omniq_core::{
    Change, CoreSettings, Format, NewTask, Outcome, OwnerId, Payload, Result, Storage, Task,
    TaskId, Timestamp,
};
use omniq_sqlite::SqliteStorage;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use crate::disk::{CEILING, Disk};

/// A time in 2026.
pub(crate) const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// A folder with a database on a simulated disk of its own.
pub(crate) struct TestDatabase {
    pub(crate) disk: Arc<Disk>,
    pub(crate) path: PathBuf,
    pub(crate) folder: TempDir,
}

impl TestDatabase {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("jobs.db");
        Self {
            disk: Disk::under(&path),
            path,
            folder,
        }
    }

    pub(crate) fn open(&self) -> SqliteStorage {
        open(&self.path).unwrap()
    }

    /// Opens a connection that is not OmniQ's.
    pub(crate) fn plain(&self) -> Connection {
        plain(&self.path)
    }
}

pub(crate) fn open(path: &Path) -> Result<SqliteStorage> {
    let mut settings = CoreSettings::default();
    settings.poll_interval = Duration::from_millis(50);
    SqliteStorage::open(path, &settings)
}

/// Opens a connection that uses SQLite's own file system and none of our settings.
pub(crate) fn plain(path: &Path) -> Connection {
    Connection::open_with_flags_and_vfs(path, OpenFlags::SQLITE_OPEN_READ_WRITE, c"unix").unwrap()
}

pub(crate) fn task(name: &str, number: u64) -> NewTask {
    let payload = format!("{{\"args\":[{number}]}}").into_bytes();
    NewTask::new(name, "default", Payload::new(Format::Json, payload))
}

/// Returns the number that [`task`] put into the payload.
pub(crate) fn number(payload: &[u8]) -> u64 {
    let text = str::from_utf8(payload).unwrap();
    let text = text.strip_prefix("{\"args\":[").unwrap();
    text.strip_suffix("]}").unwrap().parse().unwrap()
}

pub(crate) fn owner(number: i64) -> OwnerId {
    OwnerId::from_i64(number).unwrap()
}

pub(crate) fn claim_of(name: &str) -> ClaimRequest {
    ClaimRequest::new(owner(1), ClaimFilter::any().names([name]), NOW, LEASE)
}

/// Returns the change that records a claimed task's success.
pub(crate) fn success(task: &Task) -> Change {
    let result = Payload::new(Format::Json, b"1".to_vec());
    let then = Vec::new();
    settle(task, Outcome::Succeeded { result, then }, NOW, 0.0).unwrap()
}

pub(crate) async fn enqueue(storage: &SqliteStorage, task: NewTask) -> Result<TaskId> {
    let answer = within(storage.enqueue(vec![task], NOW)).await?;
    match answer[..] {
        [Enqueued::New(id)] => Ok(id),
        ref other => panic!("expected one new task, got {other:?}"),
    }
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(CEILING, future).await;
    answer.expect("there was no answer")
}

/// Starts a future. Returns whether it is ready.
pub(crate) fn poll<T>(future: &mut Pin<Box<dyn Future<Output = T> + Send + '_>>) -> Poll<T> {
    let mut context = Context::from_waker(Waker::noop());
    future.as_mut().poll(&mut context)
}

/// Starts a future that can't be ready yet.
pub(crate) fn start<T>(future: &mut Pin<Box<dyn Future<Output = T> + Send + '_>>) {
    assert!(poll(future).is_pending(), "answered too early");
}

/// Returns the seed of a test's random numbers, and prints it, so that a failure can be reproduced.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("OMNIQ_TEST_SEED").ok();
    let seed = given.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    eprintln!("OMNIQ_TEST_SEED={seed}");
    seed
}

/// Returns the number of each task in the database, as a plain connection finds them.
pub(crate) fn numbers(conn: &Connection) -> Vec<u64> {
    let mut statement = conn.prepare("SELECT payload FROM omniq_task").unwrap();
    let numbers = statement.query_map([], |row| Ok(number(row.get_ref(0)?.as_blob()?)));
    numbers.unwrap().map(Result::unwrap).collect()
}
