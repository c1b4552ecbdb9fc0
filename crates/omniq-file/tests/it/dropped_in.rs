//! Files that other programs drop in.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use omniq_core::Storage as _;

use crate::common::{claim, claimed, enqueue, open, quarantine, task, within};

/// As if it had been written a minute ago.
fn is_old(path: &std::path::Path) {
    let then = SystemTime::now() - Duration::from_secs(60);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(then)
        .unwrap();
}

#[tokio::test]
async fn a_file_that_is_moved_in_becomes_a_task() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let mut parked = storage.claim(claim().park(None));
    tokio::select! {
        biased;
        _ = &mut parked => panic!("there is nothing to claim"),
        () = tokio::time::sleep(Duration::from_millis(20)) => {}
    }
    let draft = folder.path().join("queue/incoming/.draft");
    fs::write(
        &draft,
        r#"{"name":"images.resize","args":["cat.png"],"kwargs":{"width":640}}"#,
    )
    .unwrap();
    fs::rename(&draft, folder.path().join("queue/incoming/a b.json")).unwrap();
    let mut tasks = within(parked).await.unwrap().tasks;
    if tasks.is_empty() {
        tasks = claimed(&storage).await;
    }
    assert_eq!(tasks[0].name, "images.resize");
    let payload = r#"{"args":["cat.png"],"kwargs":{"width":640}}"#;
    assert_eq!(tasks[0].payload.bytes, payload.as_bytes());
    assert_eq!(
        fs::read_dir(folder.path().join("queue/incoming"))
            .unwrap()
            .count(),
        0
    );
    assert_eq!(quarantine(folder.path()).0, 0);
}

#[tokio::test]
async fn what_is_no_task_goes_to_the_quarantine_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let incoming = folder.path().join("queue/incoming");
    for (name, text) in [
        ("typo.json", r#"{"name":"a","quue":"q"}"#),
        ("torn", r#"{"name":"#),
    ] {
        fs::write(incoming.join(name), text).unwrap();
        is_old(&incoming.join(name));
    }
    fs::create_dir(incoming.join("folder")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        std::os::unix::fs::symlink("/etc/passwd", incoming.join("link")).unwrap();
        let name = std::ffi::OsStr::from_bytes(b"not-\xff-utf8\n");
        fs::write(incoming.join(name), r#"{"name":"odd"}"#).unwrap();
    }
    enqueue(&storage, task("a", 1)).await;
    let names: Vec<_> = claimed(&storage)
        .await
        .into_iter()
        .map(|task| task.name)
        .collect();
    let expected: &[&str] = if cfg!(unix) { &["a", "odd"] } else { &["a"] };
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(sorted, expected);
    let quarantined = folder.path().join("queue/quarantine");
    let kept = fs::read_dir(&quarantined).unwrap().flatten();
    let kept: Vec<_> = kept
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let reasons = kept.iter().filter(|name| name.ends_with(".reason.txt"));
    let reasons: Vec<_> = reasons
        .map(|name| fs::read_to_string(quarantined.join(name)).unwrap())
        .collect();
    assert_eq!(kept.len(), reasons.len() * 2, "{kept:?}");
    for expected in ["quue", "EOF", "no plain file"] {
        assert!(
            reasons.iter().any(|reason| reason.contains(expected)),
            "{expected} in {reasons:?}"
        );
    }
    assert_eq!(fs::read_dir(&incoming).unwrap().count(), 0);
}

#[tokio::test]
async fn what_may_still_be_being_written_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let incoming = folder.path().join("queue/incoming");
    fs::write(incoming.join("half"), r#"{"name":"#).unwrap();
    fs::write(incoming.join("whole.tmp"), r#"{"name":"b"}"#).unwrap();
    fs::write(incoming.join("whole.part"), r#"{"name":"b"}"#).unwrap();
    enqueue(&storage, task("a", 1)).await;
    assert_eq!(claimed(&storage).await.len(), 1);
    assert_eq!(fs::read_dir(&incoming).unwrap().count(), 3);
    fs::write(incoming.join("half"), r#"{"name":"now whole"}"#).unwrap();
    enqueue(&storage, task("a", 2)).await;
    let names: Vec<_> = claimed(&storage)
        .await
        .into_iter()
        .map(|task| task.name)
        .collect();
    assert!(names.contains(&"now whole".to_owned()), "{names:?}");
}

#[tokio::test]
async fn a_unique_key_holds_for_dropped_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let incoming = folder.path().join("queue/incoming");
    for name in ["1", "2"] {
        fs::write(incoming.join(name), r#"{"name":"a","unique_key":"k"}"#).unwrap();
    }
    enqueue(&storage, task("b", 1)).await;
    assert_eq!(claimed(&storage).await.len(), 2);
    assert_eq!(fs::read_dir(&incoming).unwrap().count(), 0);
}
