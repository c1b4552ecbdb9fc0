//! Files that other programs drop into `queue/incoming`.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use omniq_core::Storage as _;

use crate::common::{claim, claimed, enqueue, open, quarantine, task, within};

/// Sets the modification time of a file to a minute ago.
fn make_old(path: &std::path::Path) {
    let then = SystemTime::now() - Duration::from_secs(60);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(then)
        .unwrap();
}

const DROPPED: &str = r#"{"name":"images.resize","args":["cat.png"],"kwargs":{"width":640}}"#;

/// Only the arrival of the file can wake the claim: the next safety check is an hour away, and no process rings the
/// doorbell.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_that_is_moved_in_wakes_a_claim_immediately() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = omniq_core::CoreSettings::default();
    settings.poll_interval = Duration::from_secs(3_600);
    let storage = omniq_file::FileStorage::open(folder.path(), &settings).unwrap();
    for name in ["a b.json", "odd \n name"] {
        let mut request = claim().park(None);
        request.filter =
            std::sync::Arc::new(omniq_core::storage::ClaimFilter::any().queues(["default"]));
        let mut parked = storage.claim(request);
        let is_pending = |context: &mut std::task::Context<'_>| {
            std::task::Poll::Ready(parked.as_mut().poll(context).is_pending())
        };
        assert!(std::future::poll_fn(is_pending).await);
        // When this later write is answered, the claim was executed and is parked.
        let mut other = task("other", 1);
        other.queue = "elsewhere".to_owned();
        enqueue(&storage, other).await;
        move_in(folder.path(), name);
        let tasks = within(parked).await.unwrap().tasks;
        assert_eq!(tasks[0].name, "images.resize");
    }
}

/// Drops a file in, as another program does.
fn move_in(folder: &std::path::Path, name: &str) {
    let draft = folder.join("draft");
    fs::write(&draft, DROPPED).unwrap();
    fs::rename(&draft, folder.join("queue/incoming").join(name)).unwrap();
}

#[tokio::test]
async fn a_file_that_is_moved_in_becomes_a_task() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    move_in(folder.path(), "a b.json");
    let tasks = claimed(&storage).await;
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
async fn an_invalid_file_is_quarantined_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let incoming = folder.path().join("queue/incoming");
    for (name, text) in [
        ("typo.json", r#"{"name":"a","quue":"q"}"#),
        ("torn", r#"{"name":"#),
    ] {
        fs::write(incoming.join(name), text).unwrap();
        make_old(&incoming.join(name));
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
    let names = fs::read_dir(&quarantined).unwrap().flatten();
    let names: Vec<_> = names
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let reasons = names.iter().filter(|name| name.ends_with(".reason.txt"));
    let reasons: Vec<_> = reasons
        .map(|name| fs::read_to_string(quarantined.join(name)).unwrap())
        .collect();
    assert_eq!(names.len(), reasons.len() * 2, "{names:?}");
    for expected in ["quue", "EOF", "not a regular file"] {
        assert!(
            reasons.iter().any(|reason| reason.contains(expected)),
            "{expected} in {reasons:?}"
        );
    }
    assert_eq!(fs::read_dir(&incoming).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_that_may_still_be_being_written_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let incoming = folder.path().join("queue/incoming");
    fs::write(incoming.join("partial"), r#"{"name":"#).unwrap();
    fs::write(incoming.join("complete.tmp"), r#"{"name":"b"}"#).unwrap();
    fs::write(incoming.join("complete.part"), r#"{"name":"b"}"#).unwrap();
    enqueue(&storage, task("a", 1)).await;
    assert_eq!(claimed(&storage).await.len(), 1);
    assert_eq!(fs::read_dir(&incoming).unwrap().count(), 3);
    fs::write(incoming.join("partial"), r#"{"name":"now complete"}"#).unwrap();
    enqueue(&storage, task("a", 2)).await;
    let names: Vec<_> = claimed(&storage)
        .await
        .into_iter()
        .map(|task| task.name)
        .collect();
    assert!(names.contains(&"now complete".to_owned()), "{names:?}");
}

#[tokio::test]
async fn dropped_files_respect_unique_keys() {
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

/// After the clock was set back, files have modification times in the future.
#[tokio::test]
async fn a_torn_file_from_the_future_is_not_ignored_forever() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    let torn = folder.path().join("queue/incoming/torn");
    fs::write(&torn, r#"{"name":"#).unwrap();
    let later = SystemTime::now() + Duration::from_secs(3_600);
    let file = File::options().write(true).open(&torn).unwrap();
    file.set_modified(later).unwrap();
    enqueue(&storage, task("a", 1)).await;
    assert_eq!(claimed(&storage).await.len(), 1);
    assert!(!torn.exists());
    assert!(quarantine(folder.path()).1.contains("EOF"));
}
