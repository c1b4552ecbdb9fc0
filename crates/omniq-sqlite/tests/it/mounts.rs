//! Tests mounts and links in the place of the database's files, in a mount namespace of the test's own.

use std::fs;
use std::path::Path;
use std::process::Command;

use omniq_core::Error;

use crate::common::{TestDatabase, open};
use crate::replaced_file::beside;

const INSIDE: &str = "OMNIQ_TEST_IN_MOUNT_NAMESPACE";

/// Runs this test once more, as a process that may mount. Returns true in that process. A machine that lets nobody mount
/// passes without it, except in CI.
pub(crate) fn may_mount(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = |rights: &str, program: &Path, arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.arg(rights).arg(program).args(arguments);
        command.env(INSIDE, "1").output()
    };
    let allowed =
        |rights: &&&str| unshare(rights, Path::new("true"), &[]).is_ok_and(|o| o.status.success());
    let Some(rights) = ["-m", "-rm"].iter().find(allowed) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI must let {test} mount: see `unshare`"
        );
        // `a_mount_point_is_found_by_its_whole_path` tests the detection without a mount.
        eprintln!("{test} needs the right to mount, which this machine does not give");
        return false;
    };
    let program = std::env::current_exe().unwrap();
    let output = unshare(rights, &program, &["--exact", test, "--nocapture"]).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.contains("1 passed"), "{text}");
    false
}

pub(crate) fn mount(arguments: &[&str], from: &Path, to: &Path) {
    let mut command = Command::new("mount");
    let status = command.args(arguments).arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

fn refused(path: &Path, text: &str) -> Error {
    let error = open(path).err().expect("it was opened");
    assert!(error.to_string().contains(text), "{error}");
    assert!(!error.is_retryable(), "{error}");
    error
}

#[test]
fn a_database_that_is_a_mount_of_its_own_is_refused() {
    if !may_mount("mounts::a_database_that_is_a_mount_of_its_own_is_refused") {
        return;
    }
    let (host, container) = (TestDatabase::new(), TestDatabase::new());
    drop(host.open());
    fs::write(&container.path, "").unwrap();
    mount(&["--bind"], &host.path, &container.path);
    let error = refused(&container.path, "is a mount of its own");
    assert!(error.to_string().contains("Mount the folder"), "{error}");
    assert!(!beside(&container.path, "-wal").exists());
    // The mount is found behind a link, too.
    let link = container.folder.path().join("link.db");
    std::os::unix::fs::symlink(&container.path, &link).unwrap();
    refused(&link, "is a mount of its own");

    // The remedy works.
    let folder = container.folder.path().join("mounted");
    fs::create_dir(&folder).unwrap();
    mount(&["--bind"], host.folder.path(), &folder);
    open(&folder.join("jobs.db")).map(drop).unwrap();
}

#[test]
fn a_companion_that_is_a_mount_or_a_link_is_refused() {
    if !may_mount("mounts::a_companion_that_is_a_mount_or_a_link_is_refused") {
        return;
    }
    for end in ["-wal", "-shm"] {
        let db = TestDatabase::new();
        drop(db.open());
        let file = beside(&db.path, end);
        let elsewhere = db.folder.path().join("elsewhere");
        fs::write(&elsewhere, "").unwrap();

        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        refused(&db.path, "is a link");
        fs::remove_file(&file).unwrap();
        fs::hard_link(&elsewhere, &file).unwrap();
        refused(&db.path, "is a link");
        fs::remove_file(&file).unwrap();

        fs::write(&file, "").unwrap();
        mount(&["--bind"], &elsewhere, &file);
        refused(&db.path, "is a mount of its own");
        let status = Command::new("umount").arg(&file).status().unwrap();
        assert!(status.success());
        open(&db.path).map(drop).unwrap();
    }
}
