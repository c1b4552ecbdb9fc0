//! Garbage in every kind of file of our own: what was acknowledged is still there, once, and ids don't come
//! again.

use std::collections::HashSet;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use omniq_core::storage::TaskFilter;
use omniq_core::{CoreSettings, Durability, Storage as _, Task, TaskId, TaskStatus};
use omniq_file::FileStorage;

use crate::common::{NOW, claim, claimed, done, enqueue, open, task, within};

fn open_at(folder: &Path, durability: Durability) -> FileStorage {
    let mut settings = CoreSettings::default();
    settings.durability = durability;
    FileStorage::open(folder, &settings).unwrap()
}

/// A queue with some history: ended, running and pending tasks. At full durability each opening leaves an
/// epoch of the log behind, at normal durability all is in one.
async fn history(folder: &Path, durability: Durability) -> Vec<Task> {
    for round in 0..3 {
        let storage = open_at(folder, durability);
        for number in 0..3 {
            enqueue(&storage, task("a", round * 10 + number)).await;
        }
        let running = within(storage.claim(claim().limit(2))).await.unwrap().tasks;
        within(storage.settle(vec![done(&running[0])], NOW))
            .await
            .unwrap();
    }
    let storage = open_at(folder, durability);
    for number in 0..3 {
        enqueue(&storage, task("a", 100 + number)).await;
    }
    listed(&storage).await
}

/// One call may find the damage; it says that it may be tried again.
async fn listed(storage: &FileStorage) -> Vec<Task> {
    let filter = || TaskFilter::new().limit(u32::MAX);
    let found = within(storage.list_tasks(filter())).await;
    let retry = |error: &omniq_core::Error| assert!(error.is_retryable(), "{error}");
    match found.inspect_err(retry) {
        Ok(found) => found,
        Err(_) => within(storage.list_tasks(filter())).await.unwrap(),
    }
}

async fn goes_on(folder: &Path, before: &[Task], what: &str) {
    let storage = open(folder).unwrap_or_else(|error| panic!("{what}: {error}"));
    // As a pool does when it begins: an entry of zeros is none, and only the files tell that there was one.
    let _ = within(storage.orphans(Duration::from_secs(3_600), 10)).await;
    assert_eq!(listed(&storage).await, before, "{what}");
    let new = enqueue(&storage, task("a", 1_000)).await;
    let known: HashSet<TaskId> = before.iter().map(|task| task.id).collect();
    assert!(!known.contains(&new), "{what}: {new} comes again");
    let pending = before
        .iter()
        .filter(|task| task.status == TaskStatus::Pending);
    let mut expected: Vec<_> = pending.map(|task| task.id).collect();
    expected.push(new);
    let mut found: Vec<_> = claimed(&storage).await.iter().map(|task| task.id).collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{what}");
    drop(storage);
    let storage = open(folder).unwrap();
    assert_eq!(listed(&storage).await.len(), before.len() + 1, "{what}");
}

#[tokio::test]
async fn garbage_in_our_own_files_costs_no_task() {
    let files = [
        ("queue/redo", 0..512),
        ("queue/redo", 512..1024),
        ("queue/redo", 0..1024),
        ("queue/redo", 0..4096),
        ("queue/redo", 4096..9000),
        ("queue/redo", 0..9000),
        ("queue/applied", 0..36),
        ("queue/index/000000000000", 0..1024),
        ("queue/index/000000000000", 100..4000),
    ];
    for durability in [Durability::Full, Durability::Normal] {
        for (file, bytes) in files.clone() {
            for kind in ["garbage", "cut", "gone"] {
                let what = format!("{file} {bytes:?} {kind} {durability:?}");
                let folder = tempfile::tempdir().unwrap();
                let before = history(folder.path(), durability).await;
                spoil(&folder.path().join(file), bytes.clone(), kind);
                goes_on(folder.path(), &before, &what).await;
            }
        }
    }
}

fn spoil(path: &Path, bytes: Range<usize>, kind: &str) {
    let mut content = fs::read(path).unwrap();
    match kind {
        "garbage" => {
            let end = bytes.end.min(content.len());
            content[bytes.start..end].fill(0xa5);
        }
        "cut" => content.truncate(bytes.start),
        _ => return fs::remove_file(path).unwrap(),
    }
    fs::write(path, &content).unwrap();
}

#[tokio::test]
async fn a_folder_in_the_place_of_our_own_files_is_named() {
    for file in [
        "queue/redo",
        "queue/lock",
        "queue/applied",
        "layout.json",
        "queue/index/000000000000",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let before = history(folder.path(), Durability::Full).await;
        let path = folder.path().join(file);
        let aside = folder.path().join("aside");
        fs::rename(&path, &aside).unwrap();
        fs::create_dir(&path).unwrap();
        let error = match open(folder.path()) {
            Err(error) => error,
            Ok(storage) => within(storage.list_tasks(TaskFilter::new()))
                .await
                .unwrap_err(),
        };
        for expected in [file, "move it away"] {
            assert!(error.to_string().contains(expected), "{file}: {error}");
        }
        fs::remove_dir(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
        goes_on(folder.path(), &before, file).await;
    }
}
