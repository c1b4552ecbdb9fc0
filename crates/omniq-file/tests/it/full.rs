//! A disk that is really full. Only root may mount one, so that this must be asked for:
//! `cargo test -p omniq-file --test it -- --ignored`. The rehearsal lets every step fail like that, everywhere.

use std::fs;
use std::path::Path;
use std::process::Command;

use omniq_core::Storage as _;
use omniq_core::storage::{Enqueued, TaskFilter};

use crate::common::{NOW, claimed, done, open, task, within};

/// Some megabytes of memory, as long as this lives.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    fn mount(path: &'a Path) -> Self {
        let options = ["-t", "tmpfs", "-o", "size=6m", "tmpfs"];
        let mounted = Command::new("mount").args(options).arg(path).status();
        assert!(mounted.unwrap().success(), "only root may mount");
        Self(path)
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test]
#[ignore = "mounts a small file system, which only root may do"]
async fn a_full_disk_loses_nothing_and_work_goes_on_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let _small = Small::mount(folder.path());
    let ballast = folder.path().join("ballast");
    fs::write(&ballast, vec![1; 2 << 20]).unwrap();
    let base = folder.path().join("base");
    let storage = open(&base).unwrap();
    let mut ids = Vec::new();
    let error = loop {
        let tasks = (0..50).map(|number| task("a", number)).collect();
        match within(storage.enqueue(tasks, NOW)).await {
            Ok(added) => ids.extend(added.into_iter().map(Enqueued::id)),
            Err(error) => break error,
        }
    };
    assert!(error.is_retryable(), "{error}");
    assert!(error.to_string().contains("free some space"), "{error}");
    let filter = || TaskFilter::new().limit(u32::MAX);
    fs::remove_file(&ballast).unwrap();
    let tasks = within(storage.list_tasks(filter())).await.unwrap();
    let found: Vec<_> = tasks.iter().map(|task| task.id).collect();
    assert_eq!(found, ids);
    drop(storage);
    let storage = open(&base).unwrap();
    let mut ended = 0;
    loop {
        let running = claimed(&storage).await;
        if running.is_empty() {
            break;
        }
        ended += running.len();
        within(storage.settle(running.iter().map(done).collect(), NOW))
            .await
            .unwrap();
    }
    assert_eq!(ended, ids.len());
}
