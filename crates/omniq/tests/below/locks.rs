//! Another program holds SQLite's write lock.

use std::time::{Duration, Instant};

use omniq::TaskStatus;
use rusqlite::{Connection, OpenFlags};

use crate::busy::Busy;
use crate::disk::CEILING;
use crate::load::{Load, Place, quick, within};

/// A connection that holds the lock.
fn stranger(place: &Place) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let stranger = Connection::open_with_flags_and_vfs(&place.path, flags, c"unix").unwrap();
    stranger.busy_timeout(CEILING).unwrap();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    stranger
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_that_holds_the_write_lock_for_long() {
    let place = Place::open(quick()).await;
    let load = Load::on(&place.omniq).await;
    load.goes_on(50).await;
    let stranger = stranger(&place);
    for text in load.fails_for(Duration::ZERO).await {
        assert!(text.contains("another program holds"), "{text}");
        assert!(text.contains("nothing was changed"), "{text}");
    }
    stranger.execute_batch("ROLLBACK").unwrap();
    load.goes_on(50).await;
    load.all_ran_once().await;
    place.each_was_said_once();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_stranger() {
    let place = Place::open(quick()).await;
    let busy = Busy::on(&place, 2).await;
    let stranger = stranger(&place);
    busy.permits.add_permits(1);
    let begin = Instant::now();
    let summary = within("the stop", busy.pool.stop()).await.unwrap();
    assert_eq!((summary.released, summary.left), (0, 2), "{summary:?}");
    assert!(begin.elapsed() < Duration::from_secs(8));
    stranger.execute_batch("ROLLBACK").unwrap();
    // What was under way is written after all, or taken over by others.
    let next = Busy::on(&place, 1).await;
    next.permits.add_permits(3);
    for handle in busy.handles.iter().chain(&next.handles) {
        within("an end", handle.wait(CEILING)).await.unwrap();
        assert_eq!(handle.status().await.unwrap(), TaskStatus::Success);
    }
    within("the stop", next.pool.stop()).await.unwrap();
}
