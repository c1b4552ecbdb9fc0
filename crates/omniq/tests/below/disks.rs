//! The disk is full, or fails.

use omniq::call;
use rusqlite::ffi;

use crate::load::{LONG, Load, Place, quick};
use crate::warnings;

const TASKS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_for_a_while() {
    let place = Place::open(quick()).await;
    let load = Load::on(&place.omniq).await;
    load.goes_on(TASKS).await;
    place.disk.fail_writes_after(0, ffi::SQLITE_FULL);
    // More than SQLite's page cache: that fails before the commit, and so in another text.
    for _ in 0..5 {
        let large = (0..4).map(|_| call("large").arg("x".repeat(1_000_000)));
        let error = place.omniq.enqueue_many(large).await.unwrap_err();
        assert!(error.is_retryable() && !error.is_unknown(), "{error}");
    }
    for text in load.fails_for(LONG).await {
        assert!(text.contains("free some space"), "{text}");
        assert!(text.contains("jobs.db"), "{text}");
    }
    place.omniq.stats().await.expect("reading needs no space");
    place.disk.heal();
    load.goes_on(TASKS).await;
    load.all_ran_once().await;
    place.each_was_said_once();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_that_fails_under_load() {
    let place = Place::open(quick()).await;
    let load = Load::on(&place.omniq).await;
    for round in 1..=3 {
        load.goes_on(TASKS).await;
        place.disk.fail_one_sync_after(round);
        load.goes_on(TASKS).await;
        // Where commits are slow, there are few of them.
        while place.disk.has_a_flush_to_fail() {
            load.goes_on(1).await;
        }
    }
    load.all_ran_once().await;
    let said = warnings::said_of(place.folder.path());
    assert_eq!(said["writing fails"].len(), 3, "once each: {said:#?}");
}
