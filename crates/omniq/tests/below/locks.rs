//! Another program holds SQLite's write lock.

use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::load::{Load, Place, quick};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_that_holds_the_write_lock_for_long() {
    let place = Place::open(quick()).await;
    let load = Load::on(&place.omniq).await;
    load.goes_on(50).await;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let stranger = Connection::open_with_flags_and_vfs(&place.path, flags, c"unix").unwrap();
    stranger.busy_timeout(crate::disk::CEILING).unwrap();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    for text in load.fails_for(Duration::ZERO).await {
        assert!(text.contains("another program holds"), "{text}");
        assert!(text.contains("nothing was changed"), "{text}");
    }
    stranger.execute_batch("ROLLBACK").unwrap();
    load.goes_on(50).await;
    load.all_ran_once().await;
    place.each_was_said_once();
}
