//! Dropped blocking queues leave no thread and no open file behind, and the threads that they share end with the last
//! queue. This test is alone in its process, because it counts the threads and files of the process.
#![cfg(all(target_os = "linux", feature = "sqlite", feature = "memory"))]
#![allow(clippy::unwrap_used)]

mod resources;

use std::time::{Duration, Instant};

use omniq::{Args, Durability, OmniQ, Settings, TaskContext, TaskError, call};

use crate::resources::threads_and_files;

const QUEUES: usize = 1_000;
const FILES: usize = 50;
const CEILING: Duration = Duration::from_secs(20);

/// Returns the number of threads that run the blocking queues.
fn shared_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    // A thread may end while it is read.
    let names = tasks.flat_map(|task| std::fs::read_to_string(task.path().join("comm")));
    names
        .filter(|name| name.starts_with("omniq-blocking"))
        .count()
}

/// Waits until a condition holds, because ending threads need a moment; panics after a ceiling.
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(
            begin.elapsed() < CEILING,
            "{what}: {:?}, {} shared threads",
            threads_and_files(),
            shared_threads()
        );
        std::thread::yield_now();
    }
}

async fn nothing(_: TaskContext, _: Args) -> Result<(), TaskError> {
    Ok(())
}

/// Opens a queue, runs one task in a pool and drops everything, in an order that depends on the number.
fn open_work_and_drop(url: &str, number: usize) {
    let settings = Settings::builder().url(url).durability(Durability::Normal);
    let omniq = OmniQ::with_settings(settings.build().unwrap()).unwrap();
    let pool = omniq.worker().handler("a", nothing).start().unwrap();
    let handle = omniq.enqueue(call("a")).unwrap();
    let _: serde_json::Value = handle.wait(CEILING).unwrap();
    match number % 4 {
        0 => drop(pool.stop().unwrap()),
        1 => drop(pool),
        2 => {
            drop(omniq);
            drop(pool);
        }
        _ => {
            drop((pool, omniq));
            assert!(handle.status().is_ok());
        }
    }
}

#[test]
fn a_thousand_dropped_queues_leave_no_thread_and_no_open_file() {
    // The test counts descriptors and needs no disk.
    let in_memory = std::path::Path::new("/dev/shm");
    let folder = match in_memory.is_dir() {
        true => tempfile::tempdir_in(in_memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    };
    // There are several files, because SQLite keeps descriptors of a file while the process has it open elsewhere, and the
    // previous queue may still be closing it.
    let sqlite = |number| {
        format!(
            "sqlite:///{}/{}.db",
            folder.path().display(),
            number % FILES
        )
    };
    // The first pool opens the process's pipe for signals, which is never closed.
    open_work_and_drop("memory:", 0);
    wait_until("the shared threads end with the last queue", || {
        shared_threads() == 0
    });
    let before = threads_and_files();

    for number in 0..QUEUES {
        open_work_and_drop("memory:", number);
    }
    for number in 0..QUEUES {
        open_work_and_drop(&sqlite(number), number);
    }
    wait_until("one queue after the other leaves nothing", || {
        let after = threads_and_files();
        after.0 <= before.0 && after.1 <= before.1
    });

    let last = OmniQ::connect("memory:").unwrap();
    // A thread gets its name only some time after it was started.
    let cores = std::thread::available_parallelism().unwrap().get();
    let threads = cores.max(2);
    wait_until("one thread for each core", || shared_threads() == threads);
    let others: Vec<_> = (0..100)
        .map(|_| OmniQ::connect("memory:").unwrap())
        .collect();
    assert_eq!(shared_threads(), threads, "all queues share one runtime");
    drop(others);
    assert_eq!(
        shared_threads(),
        threads,
        "the threads stay while a queue needs them"
    );
    drop(last);
    wait_until("the shared threads end with the last queue", || {
        shared_threads() == 0 && threads_and_files().1 <= before.1
    });
}
