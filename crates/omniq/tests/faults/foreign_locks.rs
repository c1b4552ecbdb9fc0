//! Another program holds SQLite's write lock.

use std::time::{Duration, Instant};

use omniq::TaskStatus;
use rusqlite::{Connection, OpenFlags};

use crate::disk::CEILING;
use crate::gated_pool::GatedPool;
use crate::load::Load;
use crate::test_database::{TestDatabase, quick, within};

/// Opens a connection of another program, which holds the write lock.
fn lock_by_another_program(database: &TestDatabase) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let other = Connection::open_with_flags_and_vfs(&database.path, flags, c"unix").unwrap();
    other.busy_timeout(CEILING).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_resumes_once_another_program_releases_the_write_lock() {
    let database = TestDatabase::open(quick()).await;
    let load = Load::start(&database.omniq).await;
    load.progresses_by(50).await;
    let other = lock_by_another_program(&database);
    for text in load.fails_for(Duration::ZERO).await {
        assert!(text.contains("another program holds"), "{text}");
        assert!(text.contains("nothing was changed"), "{text}");
    }
    other.execute_batch("ROLLBACK").unwrap();
    load.progresses_by(50).await;
    load.assert_all_ran_once().await;
    database.assert_each_warning_is_logged_once();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_pool_does_not_wait_for_another_program_that_holds_the_write_lock() {
    let database = TestDatabase::open(quick()).await;
    let gated = GatedPool::start(&database, 2).await;
    let other = lock_by_another_program(&database);
    gated.permits.add_permits(1);
    let begin = Instant::now();
    let summary = within("the stop", gated.pool.stop()).await.unwrap();
    assert_eq!((summary.released, summary.left), (0, 2), "{summary:?}");
    assert!(begin.elapsed() < Duration::from_secs(8));
    other.execute_batch("ROLLBACK").unwrap();
    // The writes that were still waiting happen after all, or another pool takes the tasks over.
    let next = GatedPool::start(&database, 1).await;
    next.permits.add_permits(3);
    for handle in gated.handles.iter().chain(&next.handles) {
        within("a result", handle.wait(CEILING)).await.unwrap();
        assert_eq!(handle.status().await.unwrap(), TaskStatus::Success);
    }
    within("the stop", next.pool.stop()).await.unwrap();
}
