//! Environmental failures: the errors name them, and the queue continues.

use std::fs;

use omniq_core::storage::TaskFilter;
use omniq_core::{ErrorKind, Storage as _, TaskStatus};

use crate::common::{
    NOW, claimed, enqueue, file_of, files, open, quarantine, success, task, within,
};

fn assert_rejected(folder: &std::path::Path, expected: &[&str]) {
    let Err(error) = open(folder) else {
        panic!("{} was opened", folder.display());
    };
    assert_eq!(error.kind(), ErrorKind::Storage);
    let text = error.chain().to_string();
    for expected in expected {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn a_path_that_is_not_a_folder_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    assert_rejected(&file, &["file"]);
    assert_rejected(&file.join("below"), &["below"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
}

#[tokio::test]
async fn a_newer_layout_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let layout = folder.path().join("layout.json");
    fs::write(&layout, r#"{"layout":2,"what":"ever"}"#).unwrap();
    assert_rejected(folder.path(), &["layout.json", "layout 2", "newer"]);
    fs::write(&layout, "not JSON").unwrap();
    assert_rejected(folder.path(), &["layout.json", "can't be read"]);
}

#[cfg(unix)]
#[tokio::test]
async fn links_out_of_the_folder_are_rejected() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let id = enqueue(&storage, task("a", 1)).await;
    drop(storage);
    let keys = folder.path().join("queue/keys");
    fs::remove_dir(&keys).unwrap();
    symlink(elsewhere.path(), &keys).unwrap();
    assert_rejected(folder.path(), &["queue/keys", "link"]);
    fs::remove_file(&keys).unwrap();

    let path = file_of(folder.path(), id);
    let outside = elsewhere.path().join("task.json");
    fs::rename(&path, &outside).unwrap();
    symlink(&outside, &path).unwrap();
    let storage = open(folder.path()).unwrap();
    assert_eq!(claimed(&storage).await, []);
    assert!(outside.is_file());
    assert!(quarantine(folder.path()).1.contains("link"));
}

#[cfg(unix)]
#[tokio::test]
async fn the_error_says_that_a_folder_is_read_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    fs::create_dir(&base).unwrap();
    fs::set_permissions(&base, fs::Permissions::from_mode(0o555)).unwrap();
    // The test may run as root, who may write anywhere.
    if fs::write(base.join("probe"), "").is_err() {
        assert_rejected(&base, &["writable"]);
    }
    fs::set_permissions(&base, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_task_whose_file_is_missing_is_deleted_and_the_others_run() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let mut ids = Vec::new();
    for number in 1..=4 {
        ids.push(enqueue(&storage, task("a", number)).await);
    }
    drop(storage);
    fs::remove_file(file_of(folder.path(), ids[0])).unwrap();
    fs::write(file_of(folder.path(), ids[2]), "{\"torn").unwrap();
    let storage = open(folder.path()).unwrap();
    let found: Vec<_> = claimed(&storage).await.iter().map(|task| task.id).collect();
    assert_eq!(found, [ids[1], ids[3]]);
    let tasks = within(storage.get(vec![ids[0], ids[2]])).await.unwrap();
    assert_eq!(tasks, [None, None]);
    let (count, reasons) = quarantine(folder.path());
    assert_eq!(count, 1);
    assert!(reasons.contains(&ids[2].to_string()), "{reasons}");
}

#[tokio::test]
async fn a_missing_folder_is_an_error_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    let storage = open(&base).unwrap();
    enqueue(&storage, task("a", 1)).await;
    fs::rename(&base, folder.path().join("moved")).unwrap();
    let error = within(storage.enqueue(vec![task("a", 2)], NOW))
        .await
        .unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let source = std::error::Error::source(&error).unwrap();
    let source = source.downcast_ref::<std::io::Error>().unwrap();
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
    let text = error.chain().to_string();
    let of_system = std::io::Error::from_raw_os_error(2).to_string();
    assert_eq!(text.matches(&of_system).count(), 1, "{text}");
    fs::rename(folder.path().join("moved"), &base).unwrap();
    enqueue(&storage, task("a", 3)).await;
    assert_eq!(claimed(&storage).await.len(), 2);
}

#[tokio::test]
async fn a_lost_or_damaged_index_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    for damage in ["remove", "zeros", "garbage"] {
        let storage = open(folder.path()).unwrap();
        let first = enqueue(&storage, task(damage, 1)).await;
        let second = enqueue(&storage, task(damage, 2)).await;
        let before = within(storage.list_tasks(TaskFilter::new())).await.unwrap();
        drop(storage);
        let index = folder.path().join("queue/index");
        match damage {
            "remove" => fs::remove_dir_all(&index).unwrap(),
            _ => {
                let byte = if damage == "zeros" { 0 } else { 0xa5 };
                let entries = index.join("000000000000");
                let len = fs::read(&entries).unwrap().len();
                fs::write(&entries, vec![byte; len]).unwrap();
            }
        }
        let storage = open(folder.path()).unwrap();
        // The first call may find the damage and fail; the next one succeeds.
        let mut found = within(storage.claim(crate::common::claim().limit(2))).await;
        if found.is_err() {
            found = within(storage.claim(crate::common::claim().limit(2))).await;
        }
        let found = found.unwrap().tasks;
        assert_eq!(
            found.iter().map(|task| task.id).collect::<Vec<_>>(),
            [first, second],
            "{damage}"
        );
        within(storage.settle(found.iter().map(success).collect(), NOW))
            .await
            .unwrap();
        let after = within(storage.list_tasks(TaskFilter::new())).await.unwrap();
        assert_eq!(after.len(), before.len(), "{damage}");
        assert!(after.iter().all(|task| task.status == TaskStatus::Success));
    }
}

#[tokio::test]
async fn the_files_are_readable_and_their_locations_tell_the_status() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let id = enqueue(&storage, task("images.resize", 5)).await;
    let path = file_of(folder.path(), id);
    let relative = path
        .strip_prefix(folder.path())
        .unwrap()
        .to_string_lossy()
        .into_owned();
    assert!(
        relative.starts_with("queue/lanes/000001-default-images.resize/ready/p0/"),
        "{relative}"
    );
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("\n  \"name\": \"images.resize\",\n"),
        "{text}"
    );
    assert!(
        text.contains("\"data\": {\"args\":[5]}") && text.ends_with("\n}\n"),
        "{text}"
    );
    let running = claimed(&storage).await;
    assert_eq!(
        file_of(folder.path(), id),
        folder.path().join(format!("queue/running/{id}.json"))
    );
    within(storage.settle(vec![success(&running[0])], NOW))
        .await
        .unwrap();
    assert!(file_of(folder.path(), id).starts_with(folder.path().join("results/success")));
    let name = format!("{id}.json");
    let all = files(folder.path()).into_iter();
    let tasks = all.filter(|path| path.to_string_lossy().ends_with(&name));
    assert_eq!(tasks.count(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_lock_that_another_process_holds_is_an_error_until_it_is_released() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let first = enqueue(&storage, task("a", 1)).await;
    // As a process that is stopped while it writes.
    let lock = fs::File::open(folder.path().join("queue/lock")).unwrap();
    lock.lock().unwrap();
    let rejected = within(storage.enqueue(vec![task("a", 2)], NOW)).await;
    let error = rejected.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    for expected in [
        "locked by another process",
        "stopped",
        "nothing was changed",
    ] {
        assert!(error.to_string().contains(expected), "{error}");
    }
    lock.unlock().unwrap();
    let third = enqueue(&storage, task("a", 3)).await;
    let found: Vec<_> = claimed(&storage).await.iter().map(|task| task.id).collect();
    assert_eq!(found, [first, third]);
}
