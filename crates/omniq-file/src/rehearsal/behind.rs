//! A process goes on after another one was killed: it is behind the steps of the other, which may not all be in the
//! files.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use omniq_core::{Durability, Task, TaskId, TaskStatus};
use omniq_writer::Engine as _;

use super::memory_disk::MemoryDisk;
use super::{Answer, NOW, all, at, batch, check_files, claim, failure, open, success, task};
use crate::session::Session;

/// Performs batches in new lanes. Returns the ids of the tasks whose enqueueing was answered.
fn work_in_new_lanes(session: &mut Session) -> BTreeSet<TaskId> {
    let mut answered = BTreeSet::new();
    for number in 0..3 {
        let lane = format!("new{number}");
        let now = at(100 * number);
        let (answer, enqueued) = batch(session, |session| {
            session.enqueue(&[task(&lane, 0), task(&lane, 1)], now)
        });
        if answer == Answer::Committed {
            answered.extend(enqueued.unwrap().iter().map(|enqueued| enqueued.id()));
        }
        // One attempt fails and is repeated; the other tasks succeed, with follow-ups in a further lane.
        batch(session, |session| {
            let found = session.claim(&claim(9, now), now)?.tasks;
            for (index, task) in found.iter().enumerate() {
                let change = match index {
                    0 => failure(task),
                    _ => success(task, vec![super::task(&format!("then{number}"), 2)]),
                };
                session.settle(&change, now)?;
            }
            Ok(())
        });
    }
    answered
}

/// A process is killed after so many operations, and another one goes on. Returns whether it was killed at all.
fn go_on_after_a_kill(durability: Durability, after: usize) -> bool {
    let disk = MemoryDisk::new();
    let mut behind = open(&disk, durability).unwrap();
    behind.unlock();
    let (answer, _) = batch(&mut behind, |session| {
        session.enqueue(&[task("old", 0)], NOW)
    });
    assert_eq!(answer, Answer::Committed);
    let mut killed = open(&disk, durability).unwrap();
    killed.unlock();
    disk.fail(after, usize::MAX, ErrorKind::Other);
    let answered = work_in_new_lanes(&mut killed);
    let was_killed = disk.has_failed();
    // It ends without applying what it committed.
    killed.reset();
    drop(killed);
    disk.stop_failing();

    let what = format!("{durability:?}, killed after {after} operations");
    let later = at(1_000_000);
    let (answer, claimed) = batch(&mut behind, |session| {
        session.claim(&claim(99, later), later)
    });
    assert_eq!(answer, Answer::Committed, "{what}");
    let claimed: BTreeSet<_> = claimed.unwrap().tasks.iter().map(|task| task.id).collect();
    let found = all(&mut behind);
    let is_pending = |task: &&Task| task.status == TaskStatus::Pending;
    assert_eq!(
        found.iter().filter(is_pending).count(),
        0,
        "{what}: {claimed:?}"
    );
    let ids: BTreeSet<_> = found.iter().map(|task| task.id).collect();
    assert!(
        ids.is_superset(&answered),
        "{what}: {answered:?} in {ids:?}"
    );
    drop(behind);
    check_files(&disk, durability, &found, &what);
    was_killed
}

#[test]
fn a_process_that_is_behind_goes_on_after_a_kill_at_any_operation() {
    for durability in [Durability::Full, Durability::Normal] {
        let mut after = 0;
        while go_on_after_a_kill(durability, after) {
            after += 1;
        }
        assert!(after > 50, "only {after} operations");
    }
}

/// The folder of a lane was removed by hand, and the log still has steps for it.
#[test]
fn a_step_for_a_removed_lane_loses_no_task() {
    let disk = MemoryDisk::new();
    let enqueue = |session: &mut Session, number| {
        let enqueued = batch(session, |session| {
            session.enqueue(&[task("a", number)], NOW)
        });
        enqueued.1.unwrap()[0].id()
    };
    let mut session = open(&disk, Durability::Full).unwrap();
    session.unlock();
    let removed = enqueue(&mut session, 1);
    drop(session);
    let mut session = open(&disk, Durability::Full).unwrap();
    session.unlock();
    let logged = enqueue(&mut session, 2);
    session.reset();
    drop(session);

    let mut tree = disk.tree();
    let lane = |path: &std::path::PathBuf| path.starts_with("/base/queue/lanes/000001-q-a");
    assert!(tree.folders.iter().any(lane));
    tree.folders.retain(|path| !lane(path));
    tree.files.retain(|path, _| !lane(path));
    let disk = MemoryDisk::of(tree, 2);
    let mut session = open(&disk, Durability::Full).unwrap();
    session.unlock();
    let found = batch(&mut session, |session| session.claim(&claim(9, NOW), NOW)).1;
    let found: Vec<_> = found.unwrap().tasks.iter().map(|task| task.id).collect();
    assert_eq!(found, [logged], "the file of {removed} is missing");
    let expected = all(&mut session);
    drop(session);
    check_files(&disk, Durability::Full, &expected, "after the removal");
}
