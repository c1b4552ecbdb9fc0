//! Users with different umasks share a folder: what one creates, the other may use, if the base folder allows it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use omniq_core::storage::TaskFilter;
use omniq_core::{Storage as _, Timestamp};

use crate::common::{NOW, claimed, enqueue, open, success, task, within};

const READ_ONLY_FOLDER: &str = "OMNIQ_TEST_READ_ONLY_FOLDER";
const FOLDER: &str = "OMNIQ_TEST_UMASK_FOLDER";

/// The process with another umask. It does nothing unless the other test starts it.
#[tokio::test]
async fn child_that_uses_the_folder() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let storage = open(Path::new(&folder)).unwrap();
    let lane = format!("of {}", std::process::id());
    for number in 0..3 {
        let mut new = task(&lane, number);
        new.unique_key = Some(format!("key {number}"));
        enqueue(&storage, new).await;
    }
    enqueue(&storage, task("shared", 1)).await;
    let found = claimed(&storage).await;
    assert_ne!(found.len(), 0);
    within(storage.settle(vec![success(&found[0])], NOW))
        .await
        .unwrap();
}

fn run(folder: &Path, umask: &str, user: Option<u32>) -> bool {
    start("child_that_uses_the_folder", FOLDER, folder, umask, user)
}

/// Runs a child with a umask, as this user if that is possible. Returns false if the user can't start it.
fn start(child: &str, variable: &str, folder: &Path, umask: &str, user: Option<u32>) -> bool {
    let test = std::env::current_exe().unwrap();
    let mut shell = Command::new("sh");
    shell
        .args([
            "-c",
            &format!("umask {umask}; [ -x \"$0\" ] || exit 9; exec \"$0\" \"$@\""),
        ])
        .arg(test)
        .args(["--exact", &format!("permissions::{child}")])
        .env(variable, folder)
        .current_dir("/")
        .stdout(Stdio::null());
    if let Some(user) = user {
        shell.uid(user).gid(user);
    }
    let status = shell.status().unwrap();
    if status.code() == Some(9) {
        return false;
    }
    assert!(status.success(), "umask {umask}, user {user:?}: {status}");
    true
}

fn assert_modes(path: &Path, base: u32) {
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let wanted = if meta.is_dir() { base } else { base & 0o666 };
        let mode = meta.permissions().mode() & 0o777;
        assert_eq!(mode, wanted, "{mode:o} of {}", path.display());
        if meta.is_dir() {
            assert_modes(&path, base);
        }
    }
}

#[test]
fn files_and_folders_follow_the_base_folder_and_not_the_umask() {
    for base_mode in [0o777, 0o770, 0o750, 0o700] {
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let base = parent.path().join("base");
        fs::create_dir(&base).unwrap();
        fs::set_permissions(&base, fs::Permissions::from_mode(base_mode)).unwrap();
        run(&base, "077", None);
        assert_modes(&base, base_mode);
        run(&base, "000", None);
        assert_modes(&base, base_mode);
        // Only root can start processes of other users.
        let is_root = fs::metadata(&base).unwrap().uid() == 0;
        if is_root && base_mode == 0o777 && run(&base, "077", Some(1)) {
            run(&base, "027", Some(2));
            assert_modes(&base, base_mode);
        }
    }
}

/// The process that may only read. It does nothing unless the other test starts it.
#[tokio::test]
async fn child_that_may_only_read() {
    let Some(folder) = std::env::var_os(READ_ONLY_FOLDER) else {
        return;
    };
    let storage = open(Path::new(&folder)).unwrap();
    let found = within(storage.list_tasks(TaskFilter::new())).await.unwrap();
    assert_eq!(found.len(), 3);
    let ids: Vec<_> = found.iter().map(|task| task.id).collect();
    let again = within(storage.get(ids.clone())).await.unwrap();
    assert_eq!(again.into_iter().flatten().collect::<Vec<_>>(), found);
    let finished = within(storage.finished_or_unknown(ids)).await.unwrap();
    assert_eq!(finished.len(), 1);
    assert_eq!(within(storage.stats(Timestamp(0))).await.unwrap().len(), 1);
    let errors = [
        within(storage.enqueue(vec![task("a", 9)], NOW))
            .await
            .unwrap_err(),
        within(storage.claim(crate::common::claim()))
            .await
            .unwrap_err(),
    ];
    for error in errors {
        let text = error.chain().to_string();
        for expected in ["only for reading", "nothing was changed", "writable"] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
    let found = within(storage.list_tasks(TaskFilter::new())).await.unwrap();
    assert_eq!(found.len(), 3);
}

/// Lets nobody write below a folder, or only the owner.
fn set_writable(folder: &Path, writable: bool) {
    let mode = fs::metadata(folder).unwrap().permissions().mode() & 0o777;
    let mode = if writable { mode | 0o200 } else { mode & 0o555 };
    fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
    if folder.is_dir() {
        for entry in fs::read_dir(folder).unwrap() {
            set_writable(&entry.unwrap().path(), writable);
        }
    }
}

#[tokio::test]
async fn a_folder_that_can_only_be_read_is_opened_for_reading() {
    let parent = tempfile::tempdir().unwrap();
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let base = parent.path().join("base");
    fs::create_dir(&base).unwrap();
    fs::set_permissions(&base, fs::Permissions::from_mode(0o755)).unwrap();
    let storage = open(&base).unwrap();
    for number in 0..3 {
        enqueue(&storage, task("a", number)).await;
    }
    let found = claimed(&storage).await;
    within(storage.settle(vec![success(&found[0])], NOW))
        .await
        .unwrap();
    let is_root = fs::metadata(&base).unwrap().uid() == 0;
    let user = is_root.then_some(1);
    let read = || {
        set_writable(&base, false);
        start(
            "child_that_may_only_read",
            READ_ONLY_FOLDER,
            &base,
            "022",
            user,
        );
        set_writable(&base, true);
    };
    // While another process has it open, and when nobody has.
    read();
    drop(storage);
    read();
    let storage = open(&base).unwrap();
    assert_eq!(
        within(storage.list_tasks(TaskFilter::new()))
            .await
            .unwrap()
            .len(),
        3
    );
}
