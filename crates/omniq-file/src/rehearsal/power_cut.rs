//! The power is cut after every single disk operation. Of the operations that were not flushed, any may have reached
//! the disk.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use omniq_core::settle::{cancel, requeue};
use omniq_core::storage::{ProgressUpdate, PurgeRequest};
use omniq_core::{Due, Durability, Task, TaskStatus};
use omniq_writer::Engine as _;

use super::file_tree::{DiskOp, FileTree};
use super::memory_disk::MemoryDisk;
use super::{Answer, NOW, all, at, batch, claim, failure, open, seed, success, task};
use crate::errors::Failure;
use crate::rebuild;
use crate::session::Session;

/// Performs a batch of random operations. `number` is the number of the batch.
fn perform_batch(session: &mut Session, number: usize, random: &mut Rng) -> Result<(), Failure> {
    let now = at(number as i64);
    for one in 0..random.usize(1..6) {
        let mut new = task(["a", "b"][one % 2], number * 10 + one);
        new.priority = random.i32(0..2);
        if random.u8(..4) == 0 {
            new.eta = Due::In(Duration::from_secs(random.u64(1..9)));
        }
        if random.u8(..5) == 0 {
            new.unique_key = Some(format!("key {}", random.u8(..9)));
        }
        session.enqueue(std::slice::from_ref(&new), now)?;
    }
    let taken = session.claim(&claim(random.usize(..5), now), now)?.tasks;
    for task in taken {
        let change = match random.u8(..8) {
            0 => failure(&task),
            1 => cancel(&task).into_change().unwrap(),
            2 => continue,
            3 => {
                session.record_progress(&ProgressUpdate::new(task.lease(), 0.5, "half"), now)?;
                continue;
            }
            4 => success(&task, vec![super::task("then", number)]),
            _ => success(&task, vec![]),
        };
        session.settle(&change, now)?;
    }
    if number % 5 == 4 {
        let found = session
            .reader()?
            .list(&omniq_core::storage::TaskFilter::new())?;
        let cancelled: Vec<&Task> = found
            .iter()
            .filter(|task| task.status == TaskStatus::Cancelled && task.owner.is_none())
            .collect();
        for task in cancelled {
            session.settle(&requeue(task).into_change().unwrap(), now)?;
        }
        let held: Vec<&Task> = found.iter().filter(|task| task.owner.is_some()).collect();
        for task in held {
            let change = match task.status {
                TaskStatus::Running => success(task, vec![]),
                _ => omniq_core::Change::release_cancelled(task),
            };
            session.settle(&change, now)?;
        }
    }
    if number % 7 == 6 {
        let purge = PurgeRequest::new(TaskStatus::ALL, Duration::from_secs(4), now);
        session.purge(&purge)?;
    }
    Ok(())
}

/// Performs some batches. Returns the disk operations, and the tasks before the first and after each batch.
fn perform(durability: Durability, seed: u64, batches: usize) -> (Vec<DiskOp>, Vec<Vec<Task>>) {
    let mut random = Rng::with_seed(seed);
    let disk = MemoryDisk::new();
    let mut session = open(&disk, durability).unwrap();
    let mut states = vec![Vec::new()];
    for number in 0..batches {
        let (answer, _) = batch(&mut session, |session| {
            perform_batch(session, number, &mut random)
        });
        assert_eq!(answer, Answer::Committed);
        disk.record_answer();
        states.push(all(&mut session));
    }
    (disk.ops(), states)
}

/// What is durable on the disk, and the operations that may have reached it.
struct PowerCut {
    durable: FileTree,
    pending: Vec<DiskOp>,
}

impl PowerCut {
    /// Adds an operation that was performed before the cut.
    fn add(&mut self, op: &DiskOp) {
        let is_flushed = |pending: &DiskOp| match op {
            DiskOp::SyncAll => true,
            DiskOp::Sync(path) => {
                matches!(pending, DiskOp::Create(of) | DiskOp::Write(of, ..) | DiskOp::Truncate(of, _) if of == path)
            }
            _ => false,
        };
        let durable = &mut self.durable;
        self.pending.retain(|pending| {
            // A file in a folder that is not durable yet stays pending with the folder.
            !is_flushed(pending) || durable.apply(pending).is_err()
        });
        if !matches!(op, DiskOp::Sync(_) | DiskOp::SyncAll | DiskOp::Answered) {
            self.pending.push(op.clone());
        }
    }

    /// Returns what the disk has after the cut: each pending operation with this probability, writes perhaps torn.
    fn remaining(&self, chance: f64, random: &mut Rng) -> FileTree {
        let mut tree = self.durable.clone();
        for op in &self.pending {
            if random.f64() >= chance {
                continue;
            }
            let torn = match op {
                DiskOp::Write(path, at, bytes)
                    if bytes.len() > 512 && chance < 1.0 && random.bool() =>
                {
                    let sectors = random.usize(..bytes.len() / 512 + 1);
                    Some(DiskOp::Write(
                        path.clone(),
                        *at,
                        bytes[..sectors * 512].to_vec(),
                    ))
                }
                _ => None,
            };
            // An operation fails if one that it depends on is missing.
            let _ = tree.apply(torn.as_ref().unwrap_or(op));
        }
        tree
    }
}

/// Opens what the disk has, checks that it is consistent, and returns the tasks.
fn check_consistency(tree: FileTree, durability: Durability) -> Vec<Task> {
    let disk = MemoryDisk::of(tree, 2);
    let mut session = open(&disk, durability).expect("the folder can be opened");
    session.unlock();
    let found = all(&mut session);
    let (answer, _) = batch(&mut session, |session| {
        let store = session.reader()?;
        rebuild::rebuild(store)?;
        assert_eq!(
            store.batch.ops,
            [],
            "each file exists once, and is where it belongs"
        );
        Ok(())
    });
    assert_eq!(answer, Answer::Committed);
    assert_same(
        &all(&mut session),
        &found,
        "the index agrees with the files",
    );
    let (answer, _) = batch(&mut session, |session| {
        session.enqueue(&[task("next", 0)], NOW)
    });
    assert_eq!(answer, Answer::Committed);
    let ids: Vec<_> = all(&mut session).iter().map(|task| task.id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    assert_eq!(ids.len(), found.len() + 1);
    found
}

/// Cuts the power after each operation, each time with `subsets` random subsets of the pending operations.
fn cut_after_each_operation(durability: Durability, seed: u64, batches: usize, subsets: usize) {
    let (ops, states) = perform(durability, seed, batches);
    let mut random = Rng::with_seed(seed);
    let base = FileTree {
        folders: ["/base".into()].into(),
        ..FileTree::default()
    };
    let mut cut = PowerCut {
        durable: base,
        pending: Vec::new(),
    };
    let mut answered = 0;
    for op in &ops {
        cut.add(op);
        answered += usize::from(*op == DiskOp::Answered);
        let mut chances = vec![0.0, 1.0];
        chances.extend((0..subsets).map(|at| 0.1 + 0.8 * at as f64 / subsets as f64));
        for chance in chances {
            let found = check_consistency(cut.remaining(chance, &mut random), durability);
            if durability == Durability::Full {
                let last = states.len() - 1;
                let fits = found == states[answered] || found == states[last.min(answered + 1)];
                assert!(fits, "after {answered} answers, at {op:?}: {found:#?}");
            }
        }
    }
    eprintln!("{} operations, {} batches", ops.len(), batches);
}

/// Returns the number of batches: `OMNIQ_CUT_BATCHES`, if it is set.
fn batches(default: usize) -> usize {
    let given = std::env::var("OMNIQ_CUT_BATCHES").ok();
    given.map_or(default, |text| text.parse().unwrap())
}

#[test]
fn at_full_durability_every_answered_batch_survives_and_nothing_is_torn() {
    cut_after_each_operation(Durability::Full, seed(), batches(7), 16);
}

#[test]
fn at_normal_durability_nothing_is_torn_or_duplicated() {
    cut_after_each_operation(Durability::Normal, seed(), batches(7), 6);
}

/// More workloads, each with one cut.
#[test]
fn many_workloads_survive_a_cut_at_their_end() {
    let mut random = Rng::with_seed(seed());
    for _ in 0..20 {
        let seed = random.u64(..);
        let (ops, states) = perform(Durability::Full, seed, 30);
        let mut cut = PowerCut {
            durable: FileTree {
                folders: ["/base".into()].into(),
                ..FileTree::default()
            },
            pending: Vec::new(),
        };
        ops.iter().for_each(|op| cut.add(op));
        for chance in [0.0, 0.3, 0.6, 1.0] {
            let found = check_consistency(cut.remaining(chance, &mut random), Durability::Full);
            assert_same(&found, &states[states.len() - 1], &format!("seed {seed}"));
        }
    }
}

/// Compares all tasks, and prints only those that differ.
fn assert_same(found: &[Task], expected: &[Task], what: &str) {
    let differs = |task: &&Task| !expected.contains(task);
    let missing = |task: &&Task| !found.contains(task);
    let wrong: Vec<_> = found.iter().filter(differs).collect();
    let missing: Vec<_> = expected.iter().filter(missing).collect();
    assert!(
        wrong.is_empty() && missing.is_empty(),
        "{what}: {wrong:#?} instead of {missing:#?}"
    );
}

/// A process is killed after every single disk operation; the machine keeps running.
#[test]
fn every_answered_batch_survives_a_killed_process() {
    let seed = seed();
    for durability in [Durability::Full, Durability::Normal] {
        let (ops, states) = perform(durability, seed, 16);
        let mut tree = FileTree {
            folders: ["/base".into()].into(),
            ..FileTree::default()
        };
        let mut answered = 0;
        for op in &ops {
            tree.apply(op).unwrap();
            answered += usize::from(*op == DiskOp::Answered);
            let disk = MemoryDisk::of(tree.clone(), 1);
            let mut session = open(&disk, durability).expect("the folder can be opened");
            session.unlock();
            let found = all(&mut session);
            let last = states.len() - 1;
            let fits = found == states[answered] || found == states[last.min(answered + 1)];
            assert!(fits, "after {answered} answers, at {op:?}");
            drop(session);
            let _: Arc<MemoryDisk> = disk;
        }
    }
}
