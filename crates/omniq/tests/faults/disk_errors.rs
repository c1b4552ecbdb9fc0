//! The disk is full, or fails.

use omniq::call;
use rusqlite::ffi;

use crate::load::Load;
use crate::test_database::{FAULT_DURATION, TestDatabase, quick};
use crate::warnings;

const TASKS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_resumes_once_a_full_disk_has_space_again() {
    let database = TestDatabase::open(quick()).await;
    let load = Load::start(&database.omniq).await;
    load.progresses_by(TASKS).await;
    database.disk.fail_writes_after(0, ffi::SQLITE_FULL);
    // This is more than SQLite's page cache holds: such a write fails before the commit, with another error text.
    for _ in 0..5 {
        let large = (0..4).map(|_| call("large").arg("x".repeat(1_000_000)));
        let error = database.omniq.enqueue_many(large).await.unwrap_err();
        assert!(error.is_retryable() && !error.is_unknown(), "{error}");
    }
    for text in load.fails_for(FAULT_DURATION).await {
        assert!(text.contains("free some space"), "{text}");
        assert!(text.contains("jobs.db"), "{text}");
    }
    database
        .omniq
        .stats()
        .await
        .expect("reading needs no space");
    database.disk.heal();
    load.progresses_by(TASKS).await;
    load.assert_all_ran_once().await;
    database.assert_each_warning_is_logged_once();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_task_is_lost_or_run_twice_when_a_flush_fails_under_load() {
    let database = TestDatabase::open(quick()).await;
    let load = Load::start(&database.omniq).await;
    for round in 1..=3 {
        load.progresses_by(TASKS).await;
        database.disk.fail_one_sync_after(round);
        load.progresses_by(TASKS).await;
        // Where commits are slow, there are few of them, so that the fault may still be pending.
        while database.disk.has_a_flush_to_fail() {
            load.progresses_by(1).await;
        }
    }
    load.assert_all_ran_once().await;
    let warnings = warnings::about(database.folder.path());
    assert_eq!(
        warnings["writing fails"].len(),
        3,
        "once for each failed flush: {warnings:#?}"
    );
}
