//! OmniQ's tasks in a folder: one file for each task, in JSON that people can read.
//!
//! The location and the name of a file tell its task's status and its place in the order of claims, so a claim lists
//! one small folder, however many tasks wait. A batch of writes is committed atomically: its record is written into a
//! redo log and flushed (fsync), then its steps are applied to the files. After a crash or a power cut, the next process
//! applies the steps that are missing. `docs/file-layout.md` describes the layout, byte by byte.
//!
//! | where | what |
//! | --- | --- |
//! | `session`, `open_folder`, `lock` | begin and commit of a batch, recovery after a crash, the lock |
//! | `log`, `op`, `binary` | the redo log, and the steps in its records |
//! | `apply` | applies the steps to the files |
//! | `store` | the cache of the folder, and the changes of the current batch |
//! | `operations`, `query` | the operations of `Storage` |
//! | `location`, `file_name`, `paths`, `escape`, `body` | where a task's file is, its name, and its content |
//! | `shelf`, `lanes` | ordered folders in chunks; the tasks of one queue, name and format |
//! | `entry`, `index`, `rebuild` | a cache of the tasks' states by id, and how it is built from the files |
//! | `incoming`, `dropped_file` | tasks that other programs drop in as files |
//! | `layout` | checks that a folder is ours, and creates what is missing |
//! | `disk`, `errors`, `wall_clock` | the disk operations, the errors, the time for dropped files |
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod apply;
mod binary;
mod body;
mod disk;
mod dropped_file;
mod entry;
mod errors;
mod escape;
mod file_name;
mod incoming;
mod index;
mod lanes;
mod layout;
mod location;
mod lock;
mod log;
mod op;
mod open_folder;
mod operations;
mod paths;
mod query;
mod rebuild;
#[cfg(test)]
mod rehearsal;
mod session;
mod shelf;
mod store;
mod wall_clock;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::{
    BoxFuture, ClaimRequest, Claimed, Enqueued, Hold, LaneStats, Lease, Orphan, ProgressUpdate,
    PurgeRequest, Settled, Storage, TaskFilter, Watch,
};
use omniq_core::{Change, CoreSettings, NewTask, OwnerId, Result, Task, TaskId, Timestamp};
use omniq_writer::{OrphanFinder, SharedData, Writer};

use crate::disk::real::RealDisk;
use crate::session::Session;

/// Stores tasks in a folder of files, which several processes of one machine may use at the same time.
///
/// ```
/// # use omniq_core::storage::{ClaimFilter, ClaimRequest};
/// # use omniq_core::{CoreSettings, Format, NewTask, OwnerId, Payload, Storage as _, Timestamp};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let folder = dir.path().join("jobs");
/// let storage = omniq_file::FileStorage::open(&folder, &CoreSettings::default())?;
/// let payload = Payload::new(Format::Json, br#"{"args":["cat.png"]}"#.to_vec());
/// let now = Timestamp(1_790_000_000_000_000);
/// storage.enqueue(vec![NewTask::new("resize", "images", payload)], now).await?;
/// // The task is a file whose location tells its status.
/// assert!(folder.join("queue/lanes/000001-images-resize/ready/p0").is_dir());
/// # Ok(()) }
/// ```
pub struct FileStorage {
    writer: Writer<Session>,
    orphan_finder: OrphanFinder,
}

impl FileStorage {
    /// Opens the folder; creates it if it is missing. Blocks for some milliseconds; longer after a crash, because it
    /// applies the log to the files.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Storage`](omniq_core::ErrorKind::Storage), with nothing changed: the folder is not
    /// writable, has other contents than OmniQ's, or was written by a newer OmniQ. The source is the `io::Error` or the
    /// `serde_json::Error`, if there is one.
    pub fn open(folder: impl AsRef<Path>, settings: &impl AsRef<CoreSettings>) -> Result<Self> {
        let (folder, settings) = (folder.as_ref(), settings.as_ref());
        layout::ensure_base(folder)?;
        let session = Session::open(folder, Arc::new(RealDisk), settings)?;
        let identity = session.identity().unwrap_or_default().to_owned();
        let home = SharedData {
            data: &folder.join("queue"),
            identity: &identity,
            arrivals: Some(&folder.join("queue/incoming")),
        };
        let writer = Writer::start(session, Some(home), settings.poll_interval)?;
        Ok(Self {
            orphan_finder: writer.orphan_finder(),
            writer,
        })
    }
}

impl Storage for FileStorage {
    fn enqueue(&self, tasks: Vec<NewTask>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Enqueued>>> {
        Box::pin(self.writer.enqueue(tasks, now))
    }

    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Claimed>> {
        Box::pin(self.writer.claim(request))
    }

    fn renew(&self, leases: Vec<Lease>, lease_for: Duration) -> BoxFuture<'_, Result<Vec<Hold>>> {
        Box::pin(self.writer.renew(leases, lease_for))
    }

    fn held(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<Vec<Hold>>> {
        Box::pin(self.writer.query(move |store| store.holds(&leases)))
    }

    fn record_progress(
        &self,
        updates: Vec<ProgressUpdate>,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Vec<bool>>> {
        Box::pin(self.writer.record_progress(updates, now))
    }

    fn settle(&self, changes: Vec<Change>, now: Timestamp) -> BoxFuture<'_, Result<Vec<Settled>>> {
        Box::pin(self.writer.settle(changes, now))
    }

    fn orphans(&self, monotonic: Duration, limit: usize) -> BoxFuture<'_, Result<Vec<Orphan>>> {
        let orphan_finder = self.orphan_finder.clone();
        Box::pin(
            self.writer
                .query(move |store| store.orphans(&orphan_finder, monotonic, limit)),
        )
    }

    fn mark_started(&self, owner: OwnerId, seat: usize, lease: Lease) {
        self.writer.mark_started(owner, seat, lease);
    }

    fn get(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<Option<Task>>>> {
        Box::pin(self.writer.query(move |store| store.tasks(&ids)))
    }

    fn finished_or_unknown(&self, ids: Vec<TaskId>) -> BoxFuture<'_, Result<Vec<TaskId>>> {
        Box::pin(self.writer.query(move |store| store.finished(&ids)))
    }

    fn list_tasks(&self, filter: TaskFilter) -> BoxFuture<'_, Result<Vec<Task>>> {
        Box::pin(self.writer.query(move |store| store.list(&filter)))
    }

    fn stats(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<LaneStats>>> {
        Box::pin(self.writer.query(move |store| store.stats(now)))
    }

    fn purge(&self, request: PurgeRequest) -> BoxFuture<'_, Result<u64>> {
        Box::pin(self.writer.purge(request))
    }

    fn watch(&self) -> Watch {
        self.writer.watch()
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.writer.close())
    }
}
