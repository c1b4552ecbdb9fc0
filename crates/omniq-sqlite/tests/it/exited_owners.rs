//! Owners that leave: who is told, and what becomes of their files.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use omniq_core::storage::{Signal, Watch};
use omniq_core::{OwnerId, Storage};
use tokio_stream::StreamExt as _;

use crate::common::{Place, claim_of, owner, within};

async fn hears_that_one_left(watch: &mut Watch) {
    while within(watch.next()).await.unwrap() != Signal::OwnerExited {}
}

fn owners(place: &Place) -> PathBuf {
    place.folder.path().join("jobs.db-omniq/owners")
}

/// The file of an owner whose process is gone.
fn leave_behind(place: &Place, owner: OwnerId) -> PathBuf {
    let path = owners(place).join(owner.to_string());
    introduce(&path);
    path
}

/// Writes what an owner's file says: boot id, process id, and the numbers of the file.
fn introduce(path: &Path) {
    let file = fs::File::create(path).unwrap();
    #[cfg(unix)]
    let numbers = {
        use std::os::unix::fs::MetadataExt as _;
        let meta = file.metadata().unwrap();
        format!("{} {}", meta.dev(), meta.ino())
    };
    #[cfg(not(unix))]
    let numbers = "";
    (&file)
        .write_all(format!("-\n1\n{numbers}\n").as_bytes())
        .unwrap();
}

#[tokio::test]
async fn an_owner_that_leaves_is_called_out() {
    let place = Place::new();
    let (here, there) = (place.open(), place.open());
    within(there.claim(claim_of("a"))).await.unwrap();
    let mut watch = here.watch();
    drop(there);
    // The system tells of it before the lock is free: at once, and three times more.
    for _ in 0..4 {
        hears_that_one_left(&mut watch).await;
    }
}

/// By a hand that did not know of the folder.
#[tokio::test]
async fn a_database_that_was_deleted_and_made_anew_has_presence_and_doorbell() {
    let place = Place::new();
    drop(place.open());
    leave_behind(&place, owner(7));
    fs::remove_file(&place.path).unwrap();

    let (here, there) = (place.open(), place.open());
    within(there.claim(claim_of("a"))).await.unwrap();
    assert!(owners(&place).join(owner(1).to_string()).exists());
    assert!(!owners(&place).join(owner(7).to_string()).exists());
    let mut watch = here.watch();
    drop(there);
    hears_that_one_left(&mut watch).await;
}

#[tokio::test]
async fn where_nobody_tells_it_is_called_out_now_and_then() {
    let place = Place::new();
    let storage = place.open();
    let mut watch = storage.watch();
    fs::remove_dir_all(owners(&place)).unwrap();
    for _ in 0..8 {
        hears_that_one_left(&mut watch).await;
    }
}

#[tokio::test]
async fn owners_that_are_gone_and_hold_nothing_are_forgotten_at_the_second_look() {
    let place = Place::new();
    let storage = place.open();
    within(storage.claim(claim_of("a"))).await.unwrap();
    let mut watch = storage.watch();
    let gone = leave_behind(&place, owner(7));
    hears_that_one_left(&mut watch).await;
    let sweep = || within(storage.orphans(Duration::ZERO, 10));
    assert!(sweep().await.unwrap().is_empty());
    assert!(gone.exists());
    assert!(sweep().await.unwrap().is_empty());
    assert!(!gone.exists());
    assert!(owners(&place).join(owner(1).to_string()).exists());
}

#[tokio::test]
async fn what_nobody_told_of_is_found_within_a_minute() {
    let place = Place::new();
    let gone = {
        drop(place.open());
        leave_behind(&place, owner(7))
    };
    let storage = place.open();
    for seconds in [0, 1] {
        within(storage.orphans(Duration::from_secs(seconds), 10))
            .await
            .unwrap();
    }
    assert!(!gone.exists(), "a first sweep looks");
    let late = owners(&place).join("unheard");
    introduce(&late);
    let gone = owners(&place).join(owner(8).to_string());
    fs::rename(late, &gone).unwrap();
    let sweep = |seconds| within(storage.orphans(Duration::from_secs(seconds), 10));
    sweep(2).await.unwrap();
    sweep(60).await.unwrap();
    assert!(gone.exists(), "no reason to look");
    sweep(62).await.unwrap();
    sweep(63).await.unwrap();
    assert!(!gone.exists());
}
