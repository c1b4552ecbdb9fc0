//! Garbage in our own files: every acknowledged task still exists once, and no id is given out twice.

use std::collections::HashSet;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use omniq_core::storage::TaskFilter;
use omniq_core::{CoreSettings, Durability, Storage as _, Task, TaskId, TaskStatus};
use omniq_file::FileStorage;

use crate::common::{NOW, claim, claimed, enqueue, open, success, task, within};

fn open_at(folder: &Path, durability: Durability) -> FileStorage {
    let mut settings = CoreSettings::default();
    settings.durability = durability;
    FileStorage::open(folder, &settings).unwrap()
}

/// Fills a folder with finished, running and pending tasks, and returns them. At full durability each opening begins an
/// epoch of the log, at normal durability there is only one.
async fn history(folder: &Path, durability: Durability) -> Vec<Task> {
    for round in 0..3 {
        let storage = open_at(folder, durability);
        for number in 0..3 {
            enqueue(&storage, task("a", round * 10 + number)).await;
        }
        let running = within(storage.claim(claim().limit(2))).await.unwrap().tasks;
        within(storage.settle(vec![success(&running[0])], NOW))
            .await
            .unwrap();
    }
    let storage = open_at(folder, durability);
    for number in 0..3 {
        enqueue(&storage, task("a", 100 + number)).await;
    }
    listed(&storage).await
}

/// Lists all tasks. The first call may find the damage; its error is retryable.
async fn listed(storage: &FileStorage) -> Vec<Task> {
    let filter = || TaskFilter::new().limit(u32::MAX);
    let found = within(storage.list_tasks(filter())).await;
    let assert_retryable = |error: &omniq_core::Error| assert!(error.is_retryable(), "{error}");
    match found.inspect_err(assert_retryable) {
        Ok(found) => found,
        Err(_) => within(storage.list_tasks(filter())).await.unwrap(),
    }
}

/// Opens the folder, checks that it has the tasks `before`, and uses it.
async fn assert_works(folder: &Path, before: &[Task], what: &str) {
    let storage = open(folder).unwrap_or_else(|error| panic!("{what}: {error}"));
    // As a pool does when it starts. An entry of zeros means that there is no task: only the files show that the entry is
    // missing.
    let _ = within(storage.orphans(Duration::from_secs(3_600), 10)).await;
    assert_eq!(listed(&storage).await, before, "{what}");
    let new = enqueue(&storage, task("a", 1_000)).await;
    let known: HashSet<TaskId> = before.iter().map(|task| task.id).collect();
    assert!(!known.contains(&new), "{what}: {new} is given out again");
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
async fn garbage_in_our_own_files_loses_no_task() {
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
            for kind in ["garbage", "truncated", "missing"] {
                let what = format!("{file} {bytes:?} {kind} {durability:?}");
                let folder = tempfile::tempdir().unwrap();
                let before = history(folder.path(), durability).await;
                damage(&folder.path().join(file), bytes.clone(), kind);
                assert_works(folder.path(), &before, &what).await;
            }
        }
    }
}

fn damage(path: &Path, bytes: Range<usize>, kind: &str) {
    let mut content = fs::read(path).unwrap();
    match kind {
        "garbage" => {
            let end = bytes.end.min(content.len());
            content[bytes.start..end].fill(0xa5);
        }
        "truncated" => content.truncate(bytes.start),
        _ => return fs::remove_file(path).unwrap(),
    }
    fs::write(path, &content).unwrap();
}

#[tokio::test]
async fn the_error_names_a_folder_that_replaces_one_of_our_files() {
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
        let backup = folder.path().join("backup");
        fs::rename(&path, &backup).unwrap();
        fs::create_dir(&path).unwrap();
        let error = match open(folder.path()) {
            Err(error) => error,
            Ok(storage) => within(storage.list_tasks(TaskFilter::new()))
                .await
                .unwrap_err(),
        };
        for expected in [file, "move it away"] {
            assert!(
                error.chain().to_string().contains(expected),
                "{file}: {error:?}"
            );
        }
        fs::remove_dir(&path).unwrap();
        fs::rename(&backup, &path).unwrap();
        assert_works(folder.path(), &before, file).await;
    }
}
