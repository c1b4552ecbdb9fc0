//! Every disk operation fails once, several times or permanently; the answers to callers must be true.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use omniq_core::{Durability, Task};
use omniq_writer::Engine as _;

use super::memory_disk::MemoryDisk;
use super::{Answer, NOW, all, batch, claim, open, success, task};

const BATCHES: usize = 12;

fn number(task: &Task) -> usize {
    let text = String::from_utf8_lossy(&task.payload.bytes).into_owned();
    let text = text
        .trim_start_matches("{\"args\":[")
        .trim_end_matches("]}");
    text.parse().unwrap()
}

/// Runs some batches with a fault. Returns false if fewer operations were performed, so that none failed.
fn run_with_fault(after: usize, times: usize, error: ErrorKind) -> bool {
    let disk = MemoryDisk::new();
    let mut session = open(&disk, Durability::Full).unwrap();
    session.unlock();
    disk.fail(after, times, error);
    let (mut committed, mut absent) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..BATCHES {
        let (answer, _) = batch(&mut session, |session| {
            session.enqueue(&[task("a", number)], NOW)
        });
        match answer {
            Answer::Committed => committed.insert(number),
            Answer::NotCommitted => absent.insert(number),
            Answer::Unknown => false,
        };
        if number % 3 == 2 {
            batch(&mut session, |session| {
                for task in session.claim(&claim(2, NOW), NOW)?.tasks {
                    session.settle(&success(&task, vec![]), NOW)?;
                }
                Ok(())
            });
        }
    }
    let failed = disk.has_failed();
    disk.stop_failing();
    let what = format!("after {after} operations, {times} times, {error:?}");
    let (answer, _) = batch(&mut session, |session| {
        session.enqueue(&[task("a", BATCHES)], NOW)
    });
    assert_eq!(
        answer,
        Answer::Committed,
        "{what}: the queue continues by itself"
    );
    let before = all(&mut session);
    drop(session);
    let mut reopened = open(&disk, Durability::Full).unwrap();
    reopened.unlock();
    assert_eq!(all(&mut reopened), before, "{what}");
    let found: BTreeSet<usize> = before.iter().map(number).collect();
    assert_eq!(found.len(), before.len(), "{what}: no task exists twice");
    assert!(
        found.is_superset(&committed),
        "{what}: {committed:?} in {found:?}"
    );
    assert!(
        found.is_disjoint(&absent),
        "{what}: none of {absent:?} in {found:?}"
    );
    failed
}

#[test]
fn answers_are_true_whichever_operation_fails() {
    for error in [ErrorKind::StorageFull, ErrorKind::Other] {
        for times in [1, 7, usize::MAX] {
            let mut after = 0;
            while run_with_fault(after, times, error) {
                after += 1;
            }
            assert!(after > 50, "only {after} operations");
        }
    }
}

#[test]
fn without_file_locks_a_second_process_is_rejected() {
    let disk = MemoryDisk::new();
    disk.disable_locks();
    let mut first = open(&disk, Durability::Full).unwrap();
    let (answer, _) = batch(&mut first, |session| session.enqueue(&[task("a", 1)], NOW));
    assert_eq!(answer, Answer::Committed);
    let Err(error) = open(&disk, Durability::Full) else {
        panic!("a second process opened the folder");
    };
    let text = error.to_string();
    for expected in ["no locks", "/base/queue/only", "delete that file"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let (answer, _) = batch(&mut first, |session| session.enqueue(&[task("a", 2)], NOW));
    assert_eq!(answer, Answer::Committed);
    drop(first);
    let mut second = open(&disk, Durability::Full).unwrap();
    assert_eq!(all(&mut second).len(), 2);
}
