//! Tests a file that is removed or replaced while it is open, or that has two names.

use std::fs;

use omniq_core::Storage;

use crate::common::{TestDatabase, enqueue, numbers, open, plain, task, within};

#[tokio::test]
async fn nothing_is_acknowledged_after_the_file_was_moved_away() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let away = db.folder.path().join("away.db");
    let names = ["", "-wal", "-shm"].map(|end| (beside(&db.path, end), beside(&away, end)));
    for (here, there) in &names {
        fs::rename(here, there).unwrap();
    }
    for n in 10..13 {
        let error = enqueue(&storage, task("a", n)).await.unwrap_err();
        assert!(error.is_retryable() && !error.is_unknown(), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("removed or replaced") || text.contains("can't be opened"),
            "{text}"
        );
    }
    assert!(!db.path.exists(), "no new file is created");

    for (here, there) in &names {
        // SQLite removes the extra files of a closed connection.
        if there.exists() {
            fs::rename(there, here).unwrap();
        }
    }
    let id = enqueue(&storage, task("a", 2)).await.unwrap();
    assert!(within(storage.get(vec![id])).await.unwrap()[0].is_some());
    assert_eq!(numbers(&db.plain()), [1, 2]);
}

#[tokio::test]
async fn after_a_copy_replaced_the_file_writer_and_readers_use_the_copy() {
    let db = TestDatabase::new();
    let storage = db.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let copy = db.folder.path().join("copy.db");
    plain(&db.path)
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    for end in ["-wal", "-shm"] {
        fs::remove_file(beside(&db.path, end)).unwrap();
    }
    fs::rename(&copy, &db.path).unwrap();
    // The first answer may still be about the replaced file.
    let _ = enqueue(&storage, task("a", 2)).await;
    let id = enqueue(&storage, task("a", 3)).await.unwrap();
    assert!(within(storage.get(vec![id])).await.unwrap()[0].is_some());
    assert!(numbers(&db.plain()).contains(&3));
}

#[tokio::test]
async fn a_hard_link_is_refused() {
    let db = TestDatabase::new();
    drop(db.open());
    let other = db.folder.path().join("other.db");
    fs::hard_link(&db.path, &other).unwrap();
    for path in [&db.path, &other] {
        let error = open(path).err().unwrap();
        assert!(error.to_string().contains("hard link"), "{error}");
    }
    fs::remove_file(other).unwrap();
    db.open();
}

fn beside(path: &std::path::Path, end: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
