//! The file is removed or replaced while it is open, or has two names.

use std::fs;

use omniq_core::Storage;

use crate::common::{Place, enqueue, numbers, open, plain, task, within};

#[tokio::test]
async fn nothing_is_acknowledged_into_a_file_that_is_gone() {
    let place = Place::new();
    let storage = place.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let away = place.folder.path().join("away.db");
    let names = ["", "-wal", "-shm"].map(|end| (beside(&place.path, end), beside(&away, end)));
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
    assert!(!place.path.exists(), "and none is made anew");

    for (here, there) in &names {
        // SQLite takes the extra files of a closed connection away.
        if there.exists() {
            fs::rename(there, here).unwrap();
        }
    }
    let id = enqueue(&storage, task("a", 2)).await.unwrap();
    assert!(within(storage.get(vec![id])).await.unwrap()[0].is_some());
    assert_eq!(numbers(&place.plain()), [1, 2]);
}

#[tokio::test]
async fn after_a_copy_took_its_place_both_writers_and_readers_use_that() {
    let place = Place::new();
    let storage = place.open();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let copy = place.folder.path().join("copy.db");
    plain(&place.path)
        .execute("VACUUM INTO ?1", [copy.to_str().unwrap()])
        .unwrap();
    for end in ["-wal", "-shm"] {
        fs::remove_file(beside(&place.path, end)).unwrap();
    }
    fs::rename(&copy, &place.path).unwrap();
    // The first answer may still be about the file that was there.
    let _ = enqueue(&storage, task("a", 2)).await;
    let id = enqueue(&storage, task("a", 3)).await.unwrap();
    assert!(within(storage.get(vec![id])).await.unwrap()[0].is_some());
    assert!(numbers(&place.plain()).contains(&3));
}

#[tokio::test]
async fn a_second_name_is_refused() {
    let place = Place::new();
    drop(place.open());
    let other = place.folder.path().join("other.db");
    fs::hard_link(&place.path, &other).unwrap();
    for path in [&place.path, &other] {
        let error = open(path).err().unwrap();
        assert!(error.to_string().contains("hard link"), "{error}");
    }
    fs::remove_file(other).unwrap();
    place.open();
}

fn beside(path: &std::path::Path, end: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
