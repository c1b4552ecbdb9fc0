//! Bad surroundings: what is said of them, and what goes on.

use std::fs;

use omniq_core::storage::TaskFilter;
use omniq_core::{ErrorKind, Storage as _, TaskStatus};

use crate::common::{NOW, claimed, done, enqueue, file_of, files, open, quarantine, task, within};

fn refused(folder: &std::path::Path, expected: &[&str]) {
    let Err(error) = open(folder) else {
        panic!("{} was opened", folder.display());
    };
    assert_eq!(error.kind(), ErrorKind::Storage);
    let text = error.to_string();
    for expected in expected {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn what_is_no_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "text").unwrap();
    refused(&file, &["file"]);
    refused(&file.join("below"), &["below"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
}

#[tokio::test]
async fn a_newer_layout_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    let layout = folder.path().join("layout.json");
    fs::write(&layout, r#"{"layout":2,"what":"ever"}"#).unwrap();
    refused(folder.path(), &["layout.json", "layout 2", "newer"]);
    fs::write(&layout, "no json").unwrap();
    refused(folder.path(), &["layout.json", "can't be read"]);
}

#[cfg(unix)]
#[tokio::test]
async fn links_out_of_the_folder_are_refused() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let id = enqueue(&storage, task("a", 1)).await;
    drop(storage);
    let keys = folder.path().join("queue/keys");
    fs::remove_dir(&keys).unwrap();
    symlink(elsewhere.path(), &keys).unwrap();
    refused(folder.path(), &["queue/keys", "link"]);
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
async fn a_folder_that_is_read_only_says_so() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    fs::create_dir(&base).unwrap();
    fs::set_permissions(&base, fs::Permissions::from_mode(0o555)).unwrap();
    // Root may write anywhere.
    if fs::write(base.join("probe"), "").is_err() {
        refused(&base, &["writable"]);
    }
    fs::set_permissions(&base, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_task_whose_file_is_deleted_is_gone_and_the_others_go_on() {
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
    let (kept, reasons) = quarantine(folder.path());
    assert_eq!(kept, 1);
    assert!(reasons.contains(&ids[2].to_string()), "{reasons}");
}

#[tokio::test]
async fn a_folder_that_is_deleted_is_an_error_until_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base");
    let storage = open(&base).unwrap();
    enqueue(&storage, task("a", 1)).await;
    fs::rename(&base, folder.path().join("moved")).unwrap();
    let error = within(storage.enqueue(vec![task("a", 2)], NOW))
        .await
        .unwrap_err();
    assert!(error.is_retryable(), "{error}");
    fs::rename(folder.path().join("moved"), &base).unwrap();
    enqueue(&storage, task("a", 3)).await;
    assert_eq!(claimed(&storage).await.len(), 2);
}

#[tokio::test]
async fn an_index_that_is_lost_or_damaged_is_built_again() {
    let folder = tempfile::tempdir().unwrap();
    for damage in ["remove", "zeros", "garbage"] {
        let storage = open(folder.path()).unwrap();
        let id = enqueue(&storage, task(damage, 1)).await;
        let ended = enqueue(&storage, task(damage, 2)).await;
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
        // One call may find the damage, and fails; the next finds all.
        let mut found = within(storage.claim(crate::common::claim().limit(2))).await;
        if found.is_err() {
            found = within(storage.claim(crate::common::claim().limit(2))).await;
        }
        let found = found.unwrap().tasks;
        assert_eq!(
            found.iter().map(|task| task.id).collect::<Vec<_>>(),
            [id, ended],
            "{damage}"
        );
        within(storage.settle(found.iter().map(done).collect(), NOW))
            .await
            .unwrap();
        let after = within(storage.list_tasks(TaskFilter::new())).await.unwrap();
        assert_eq!(after.len(), before.len(), "{damage}");
        assert!(after.iter().all(|task| task.status == TaskStatus::Success));
    }
}

#[tokio::test]
async fn the_files_can_be_read_and_say_how_tasks_stand() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let id = enqueue(&storage, task("images.resize", 5)).await;
    let path = file_of(folder.path(), id);
    let from_base = path
        .strip_prefix(folder.path())
        .unwrap()
        .to_string_lossy()
        .into_owned();
    assert!(
        from_base.starts_with("queue/lanes/000001-default-images.resize/ready/p0/"),
        "{from_base}"
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
    within(storage.settle(vec![done(&running[0])], NOW))
        .await
        .unwrap();
    assert!(file_of(folder.path(), id).starts_with(folder.path().join("results/success")));
    let name = format!("{id}.json");
    let all = files(folder.path()).into_iter();
    let tasks = all.filter(|path| path.to_string_lossy().ends_with(&name));
    assert_eq!(tasks.count(), 1);
}
