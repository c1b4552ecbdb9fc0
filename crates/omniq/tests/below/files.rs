//! The database's file is moved or deleted while a pool runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use omniq::{Args, EventKind, TaskContext, TaskError, call};
use tokio::sync::Semaphore;

use crate::load::{LONG, Load, Place, quick, within};

fn files_of(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        name.into()
    })
}

fn is_clear(text: &str) -> bool {
    text.contains("jobs.db")
        && (text.contains("was removed or replaced") || text.contains("can't be opened"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_moved_away_and_back() {
    let place = Place::open(quick()).await;
    let load = Load::on(&place.omniq).await;
    load.goes_on(50).await;
    let (here, there) = (
        files_of(&place.path),
        files_of(&place.folder.path().join("away.db")),
    );
    for (here, there) in here.iter().zip(&there) {
        fs::rename(here, there).unwrap();
    }
    for text in load.fails_for(LONG).await {
        assert!(is_clear(&text), "{text}");
    }
    // The main file last: whoever finds it finds the rest.
    for (here, there) in here.iter().zip(&there).rev() {
        // SQLite takes the extra files of a closed connection away.
        if there.exists() {
            fs::rename(there, here).unwrap();
        }
    }
    load.goes_on(50).await;
    load.all_ran_once().await;
    place.each_was_said_once();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_deleted_for_good() {
    let place = Place::open(quick()).await;
    let permits = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&permits);
    let wait = move |_: TaskContext, _: Args| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok::<_, TaskError>(())
        }
    };
    let mut events = place.omniq.events();
    let worker = place.omniq.worker().handler("wait", wait);
    let pool = worker
        .grace(Duration::from_millis(100))
        .start()
        .await
        .unwrap();
    for _ in 0..2 {
        place.omniq.enqueue(call("wait")).await.unwrap();
        let started = async { while events.next().await.unwrap().kind != EventKind::Started {} };
        within("a start", started).await;
    }
    for file in files_of(&place.path) {
        fs::remove_file(file).unwrap();
    }
    let begin = Instant::now();
    while begin.elapsed() < LONG {
        let error = place.omniq.enqueue(call("wait")).await.unwrap_err();
        assert!(is_clear(&error.to_string()), "{error}");
    }
    let error = place.omniq.stats().await.unwrap_err();
    assert!(is_clear(&error.to_string()), "{error}");
    // One handler ends by itself, the other with the grace.
    permits.add_permits(1);
    let begin = Instant::now();
    let summary = within("the stop", pool.stop()).await.unwrap();
    assert_eq!((summary.released, summary.left), (0, 2), "{summary:?}");
    assert!(begin.elapsed() < Duration::from_secs(8));
    assert!(!place.path.exists(), "and none is made anew");
    place.each_was_said_once();
}
