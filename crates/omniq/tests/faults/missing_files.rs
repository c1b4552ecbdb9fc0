//! The database's file is moved or deleted while a pool runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use omniq::call;

use crate::gated_pool::GatedPool;
use crate::load::Load;
use crate::test_database::{FAULT_DURATION, TestDatabase, quick, within};

fn files_of(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

/// Whether an error names the file and says what happened to it.
fn is_clear(text: &str) -> bool {
    text.contains("jobs.db")
        && (text.contains("was removed or replaced") || text.contains("can't be opened"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_resumes_once_a_moved_database_is_back() {
    let database = TestDatabase::open(quick()).await;
    let load = Load::start(&database.omniq).await;
    load.progresses_by(50).await;
    let (here, away) = (
        files_of(&database.path),
        files_of(&database.folder.path().join("away.db")),
    );
    for (here, away) in here.iter().zip(&away) {
        fs::rename(here, away).unwrap();
    }
    for text in load.fails_for(FAULT_DURATION).await {
        assert!(is_clear(&text), "{text}");
    }
    // The main file comes last, so that a process that finds it finds the others too.
    for (here, away) in here.iter().zip(&away).rev() {
        // SQLite removes the extra files of a closed connection.
        if away.exists() {
            fs::rename(away, here).unwrap();
        }
    }
    load.progresses_by(50).await;
    load.assert_all_ran_once().await;
    database.assert_each_warning_is_logged_once();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_stops_in_time_after_its_database_was_deleted() {
    let database = TestDatabase::open(quick()).await;
    let gated = GatedPool::start(&database, 2).await;
    for file in files_of(&database.path) {
        fs::remove_file(file).unwrap();
    }
    let begin = Instant::now();
    while begin.elapsed() < FAULT_DURATION {
        let error = database.omniq.enqueue(call("wait")).await.unwrap_err();
        assert!(is_clear(&error.to_string()), "{error}");
    }
    let error = database.omniq.stats().await.unwrap_err();
    assert!(is_clear(&error.to_string()), "{error}");
    // One handler returns by itself, the other is dropped after the grace.
    gated.permits.add_permits(1);
    let begin = Instant::now();
    let summary = within("the stop", gated.pool.stop()).await.unwrap();
    assert_eq!((summary.released, summary.left), (0, 2), "{summary:?}");
    assert!(begin.elapsed() < Duration::from_secs(8));
    assert!(!database.path.exists(), "no new database is created");
    database.assert_each_warning_is_logged_once();
}
