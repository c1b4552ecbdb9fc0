//! Tests owners that exit: notifications, and the removal of their files.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use omniq_core::storage::{Signal, Watch};
use omniq_core::{OwnerId, Storage};
use tokio_stream::StreamExt as _;

use crate::common::{TestDatabase, claim_of, owner, within};

async fn wait_for_owner_exited(watch: &mut Watch) {
    while within(watch.next()).await.unwrap() != Signal::OwnerExited {}
}

fn owners(db: &TestDatabase) -> PathBuf {
    db.folder.path().join("jobs.db-omniq/owners")
}

/// Creates the file of an owner whose process is dead.
fn create_dead_owner_file(db: &TestDatabase, owner: OwnerId) -> PathBuf {
    let path = owners(db).join(owner.to_string());
    write_owner_file(&path);
    path
}

/// Writes the content of an owner's file: boot id, process id, and the device and inode of the file.
fn write_owner_file(path: &Path) {
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
async fn an_owner_that_exits_is_reported() {
    let db = TestDatabase::new();
    let (here, there) = (db.open(), db.open());
    within(there.claim(claim_of("a"))).await.unwrap();
    let mut watch = here.watch();
    drop(there);
    // The operating system reports the exit before the lock is free, so it is signalled immediately and three times
    // more.
    for _ in 0..4 {
        wait_for_owner_exited(&mut watch).await;
    }
}

/// The file was deleted by hand, without the folder beside it.
#[tokio::test]
async fn a_database_that_was_deleted_and_created_again_has_presence_and_doorbell() {
    let db = TestDatabase::new();
    drop(db.open());
    create_dead_owner_file(&db, owner(7));
    fs::remove_file(&db.path).unwrap();

    let (here, there) = (db.open(), db.open());
    within(there.claim(claim_of("a"))).await.unwrap();
    assert!(owners(&db).join(owner(1).to_string()).exists());
    assert!(!owners(&db).join(owner(7).to_string()).exists());
    let mut watch = here.watch();
    drop(there);
    wait_for_owner_exited(&mut watch).await;
}

#[tokio::test]
async fn without_file_events_an_exit_is_reported_periodically() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut watch = storage.watch();
    fs::remove_dir_all(owners(&db)).unwrap();
    for _ in 0..8 {
        wait_for_owner_exited(&mut watch).await;
    }
}

#[tokio::test]
async fn files_of_dead_owners_without_leases_are_removed_by_the_second_sweep() {
    let db = TestDatabase::new();
    let storage = db.open();
    within(storage.claim(claim_of("a"))).await.unwrap();
    let mut watch = storage.watch();
    let dead = create_dead_owner_file(&db, owner(7));
    wait_for_owner_exited(&mut watch).await;
    let sweep = || within(storage.orphans(Duration::ZERO, 10));
    assert!(sweep().await.unwrap().is_empty());
    assert!(dead.exists());
    assert!(sweep().await.unwrap().is_empty());
    assert!(!dead.exists());
    assert!(owners(&db).join(owner(1).to_string()).exists());
}

#[tokio::test]
async fn a_dead_owner_without_a_file_event_is_found_within_a_minute() {
    let db = TestDatabase::new();
    let dead = {
        drop(db.open());
        create_dead_owner_file(&db, owner(7))
    };
    let storage = db.open();
    for seconds in [0, 1] {
        within(storage.orphans(Duration::from_secs(seconds), 10))
            .await
            .unwrap();
    }
    assert!(!dead.exists(), "the first sweep checks all files");
    let late = owners(&db).join("unreported");
    write_owner_file(&late);
    let dead = owners(&db).join(owner(8).to_string());
    fs::rename(late, &dead).unwrap();
    let sweep = |seconds| within(storage.orphans(Duration::from_secs(seconds), 10));
    sweep(2).await.unwrap();
    sweep(60).await.unwrap();
    assert!(dead.exists(), "there is no reason to check the files yet");
    sweep(62).await.unwrap();
    sweep(63).await.unwrap();
    assert!(!dead.exists());
}
