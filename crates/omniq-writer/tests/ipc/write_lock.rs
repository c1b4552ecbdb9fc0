//! Tests the lock that makes writers queue.

use std::fs::File;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use omniq_writer::ipc::WriteLock;

use crate::{CEILING, SharedDir, shared_dir};

const SHORT: Duration = Duration::from_millis(20);

fn open(shared: &SharedDir) -> WriteLock {
    WriteLock::open(&shared.folder).unwrap()
}

#[test]
fn one_at_a_time_has_the_lock() {
    let shared = shared_dir();
    let inside = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let lock = open(&shared);
                for _ in 0..200 {
                    let taken = lock.take(CEILING).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(taken);
                }
            });
        }
    });
}

/// The holder acts like a process that was stopped.
#[test]
fn a_holder_that_keeps_the_lock_does_not_stop_the_others() {
    let shared = shared_dir();
    let (stopped, other) = (open(&shared), open(&shared));
    let held = stopped.take(CEILING).unwrap();
    assert!(other.take(SHORT).is_none());
    // The second call does not wait.
    let begin = Instant::now();
    assert!(other.take(CEILING).is_none());
    assert!(begin.elapsed() < CEILING);

    drop(held);
    // The thread whose request was abandoned releases the lock.
    while other.take(SHORT).is_none() {}
    stopped.take(CEILING).unwrap();
    other.take(CEILING).unwrap();
}

#[test]
fn a_lock_that_was_dropped_while_it_waited_is_released() {
    let shared = shared_dir();
    let (first, second, third) = (open(&shared), open(&shared), open(&shared));
    let held = first.take(CEILING).unwrap();
    assert!(second.take(SHORT).is_none());
    drop(second);
    drop(held);
    third.take(CEILING).unwrap();
}

#[test]
fn the_lock_is_a_file_lock_that_others_can_see() {
    let shared = shared_dir();
    let lock = open(&shared);
    let file = File::open(shared.folder.path().join("turn")).unwrap();
    let taken = lock.take(CEILING).unwrap();
    assert!(file.try_lock().is_err());
    drop(taken);
    file.try_lock().unwrap();
}
