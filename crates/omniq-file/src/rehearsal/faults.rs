//! Every step fails once, for a while or for long; what callers are told must be true.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use omniq_core::{Durability, Task};
use omniq_writer::Engine as _;

use super::memory_disk::MemoryDisk;
use super::{NOW, Told, all, batch, claim, open, success, task};

const BATCHES: usize = 12;

fn number(task: &Task) -> usize {
    let text = String::from_utf8_lossy(&task.payload.bytes).into_owned();
    let text = text
        .trim_start_matches("{\"args\":[")
        .trim_end_matches("]}");
    text.parse().unwrap()
}

/// False if the fault never came.
fn with_a_fault(after: usize, times: usize, how: ErrorKind) -> bool {
    let disk = MemoryDisk::new();
    let mut session = open(&disk, Durability::Full).unwrap();
    session.let_go();
    disk.will_fail(after, times, how);
    let (mut there, mut absent) = (BTreeSet::new(), BTreeSet::new());
    for number in 0..BATCHES {
        let (told, _) = batch(&mut session, |session| {
            session.enqueue(&[task("a", number)], NOW)
        });
        match told {
            Told::Done => there.insert(number),
            Told::Not => absent.insert(number),
            Told::Unknown => false,
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
    let came = disk.has_failed();
    disk.is_mended();
    let what = format!("step {after}, {times} times, {how:?}");
    let (told, _) = batch(&mut session, |session| {
        session.enqueue(&[task("a", BATCHES)], NOW)
    });
    assert_eq!(told, Told::Done, "{what}: work goes on by itself");
    let told = all(&mut session);
    drop(session);
    let mut again = open(&disk, Durability::Full).unwrap();
    again.let_go();
    assert_eq!(all(&mut again), told, "{what}");
    let found: BTreeSet<usize> = told.iter().map(number).collect();
    assert_eq!(found.len(), told.len(), "{what}: no task is there twice");
    assert!(found.is_superset(&there), "{what}: {there:?} in {found:?}");
    assert!(
        found.is_disjoint(&absent),
        "{what}: none of {absent:?} in {found:?}"
    );
    came
}

#[test]
fn what_is_told_is_true_whatever_fails() {
    for how in [ErrorKind::StorageFull, ErrorKind::Other] {
        for times in [1, 7, usize::MAX] {
            let mut after = 0;
            while with_a_fault(after, times, how) {
                after += 1;
            }
            assert!(after > 50, "only {after} steps");
        }
    }
}

#[test]
fn without_locks_a_second_process_is_refused() {
    let disk = MemoryDisk::new();
    disk.has_no_locks();
    let mut first = open(&disk, Durability::Full).unwrap();
    let (told, _) = batch(&mut first, |session| session.enqueue(&[task("a", 1)], NOW));
    assert_eq!(told, Told::Done);
    let Err(error) = open(&disk, Durability::Full) else {
        panic!("two processes would write at once");
    };
    let text = error.to_string();
    for expected in ["no locks", "/base/queue/only", "delete that file"] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
    let (told, _) = batch(&mut first, |session| session.enqueue(&[task("a", 2)], NOW));
    assert_eq!(told, Told::Done);
    drop(first);
    let mut second = open(&disk, Durability::Full).unwrap();
    assert_eq!(all(&mut second).len(), 2);
}
