//! Counts the descriptors and threads of the whole process, and so is the only test of its program.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::{Duration, Instant};

use omniq_core::storage::{ClaimFilter, ClaimRequest, Storage as _};
use omniq_core::{CoreSettings, ErrorKind, OwnerId, Timestamp};
use omniq_sqlite::SqliteStorage;

/// Nothing takes this long: a test that waits for this time has failed.
const CEILING: Duration = Duration::from_secs(20);

/// Counts the descriptors and threads of this process.
fn held() -> [usize; 2] {
    ["fd", "task"].map(|kind| fs::read_dir(format!("/proc/self/{kind}")).unwrap().count())
}

#[tokio::test]
async fn a_closed_storage_holds_no_files_and_no_threads_before_it_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let before = held();
    let storage =
        SqliteStorage::open(dir.path().join("jobs.db"), &CoreSettings::default()).unwrap();
    let owner = OwnerId::from_i64(5).unwrap();
    let lease_for = Duration::from_secs(30);
    let request = ClaimRequest::new(owner, ClaimFilter::any(), Timestamp(0), lease_for);
    storage.claim(request.clone()).await.unwrap();
    storage.stats(Timestamp(0)).await.unwrap();
    assert!(held() > before);

    storage.close().await.unwrap();
    storage.close().await.unwrap();
    let claimed = storage.claim(request).await;
    assert_eq!(claimed.unwrap_err().kind(), ErrorKind::Closed);
    let stats = storage.stats(Timestamp(0)).await;
    assert_eq!(stats.unwrap_err().kind(), ErrorKind::Closed);
    let wal = dir.path().join("jobs.db-wal");
    assert!(!wal.exists(), "the -wal is in the database");
    // Threads that have signalled their end still exist for a moment.
    let end = Instant::now() + CEILING;
    while held() != before {
        assert!(Instant::now() < end, "{:?} instead of {before:?}", held());
        std::thread::yield_now();
    }
}
