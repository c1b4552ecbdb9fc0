//! Queues without async that were dropped leave no thread and no open file behind, and the threads that they
//! share end with the last of them. Alone in its process, which it counts.
#![cfg(all(target_os = "linux", feature = "sqlite", feature = "memory"))]
#![allow(clippy::unwrap_used)]

mod left;

use std::time::{Duration, Instant};

use omniq::{Args, Durability, OmniQ, Settings, TaskContext, TaskError, call};

use crate::left::left;

const QUEUES: usize = 1_000;
const FILES: usize = 50;
const CEILING: Duration = Duration::from_secs(20);

/// The threads behind all queues.
fn shared_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    // A thread may end while it is looked at.
    let names = tasks.flat_map(|task| std::fs::read_to_string(task.path().join("comm")));
    names
        .filter(|name| name.starts_with("omniq-blocking"))
        .count()
}

/// Threads that were told to end need a moment: looks again until they have, within a ceiling.
fn becomes(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(
            begin.elapsed() < CEILING,
            "{what}: {:?}, {} shared threads",
            left(),
            shared_threads()
        );
        std::thread::yield_now();
    }
}

async fn nothing(_: TaskContext, _: Args) -> Result<(), TaskError> {
    Ok(())
}

/// A queue with a pool that works once; what is dropped last differs from time to time.
fn come_and_go(url: &str, number: usize) {
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
fn a_thousand_queues_leave_nothing() {
    // It is about descriptors, not about disks.
    let in_memory = std::path::Path::new("/dev/shm");
    let folder = match in_memory.is_dir() {
        true => tempfile::tempdir_in(in_memory).unwrap(),
        false => tempfile::tempdir().unwrap(),
    };
    // SQLite keeps descriptors of a file for as long as the process has it open elsewhere: the last one
    // may still be ending.
    let sqlite = |number| {
        format!(
            "sqlite:///{}/{}.db",
            folder.path().display(),
            number % FILES
        )
    };
    // What stays for good: the process's pipe for signals.
    come_and_go("memory:", 0);
    becomes("the shared threads end with the last queue", || {
        shared_threads() == 0
    });
    let before = left();

    for number in 0..QUEUES {
        come_and_go("memory:", number);
    }
    for number in 0..QUEUES {
        come_and_go(&sqlite(number), number);
    }
    becomes("queues one after the other", || {
        let after = left();
        after.0 <= before.0 && after.1 <= before.1
    });

    let kept = OmniQ::connect("memory:").unwrap();
    // A thread has its name only some time after it was started.
    let cores = std::thread::available_parallelism().unwrap().get();
    let threads = cores.max(2);
    becomes("one thread for each core", || shared_threads() == threads);
    let others: Vec<_> = (0..100)
        .map(|_| OmniQ::connect("memory:").unwrap())
        .collect();
    assert_eq!(shared_threads(), threads, "one runtime for all");
    drop(others);
    assert_eq!(shared_threads(), threads, "for as long as anybody needs it");
    drop(kept);
    becomes("the last one goes", || {
        shared_threads() == 0 && left().1 <= before.1
    });
}
