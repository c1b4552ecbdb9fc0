use std::fs::File;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use omniq_writer::ipc::WriteLock;

use crate::{CEILING, Place, place};

const SHORT: Duration = Duration::from_millis(20);

fn turn(place: &Place) -> WriteLock {
    WriteLock::open(&place.folder).unwrap()
}

#[test]
fn one_at_a_time_has_the_turn() {
    let place = place();
    let inside = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let turn = turn(&place);
                for _ in 0..200 {
                    let taken = turn.take(CEILING).unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(taken);
                }
            });
        }
    });
}

/// As a process does that was stopped.
#[test]
fn one_that_keeps_the_turn_does_not_stop_the_others() {
    let place = place();
    let (stopped, other) = (turn(&place), turn(&place));
    let kept = stopped.take(CEILING).unwrap();
    assert!(other.take(SHORT).is_none());
    // Nobody waits for it a second time.
    let begin = Instant::now();
    assert!(other.take(CEILING).is_none());
    assert!(begin.elapsed() < CEILING);

    drop(kept);
    // The thread that waited in vain passes its turn on.
    while other.take(SHORT).is_none() {}
    stopped.take(CEILING).unwrap();
    other.take(CEILING).unwrap();
}

#[test]
fn a_turn_that_was_dropped_while_it_waited_is_let_go() {
    let place = place();
    let (first, second, third) = (turn(&place), turn(&place), turn(&place));
    let kept = first.take(CEILING).unwrap();
    assert!(second.take(SHORT).is_none());
    drop(second);
    drop(kept);
    third.take(CEILING).unwrap();
}

#[test]
fn the_turn_is_a_lock_that_others_can_see() {
    let place = place();
    let turn = turn(&place);
    let file = File::open(place.folder.path().join("turn")).unwrap();
    let taken = turn.take(CEILING).unwrap();
    assert!(file.try_lock().is_err());
    drop(taken);
    file.try_lock().unwrap();
}
