//! The power fails after every single step, and of what was not flushed, anything may be on the disk.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use omniq_core::settle::{cancel, requeue};
use omniq_core::storage::{ProgressUpdate, PurgeRequest};
use omniq_core::{Due, Durability, Task, TaskStatus};
use omniq_writer::Engine as _;

use super::file_tree::{Step, Tree};
use super::memory_disk::MemoryDisk;
use super::{NOW, Told, all, at, batch, broke, claim, open, seed, success, task};
use crate::errors::Failure;
use crate::rebuild;
use crate::session::Session;

/// What a batch does, by its number.
fn work(session: &mut Session, number: usize, dice: &mut Rng) -> Result<(), Failure> {
    let now = at(number as i64);
    for one in 0..dice.usize(1..6) {
        let mut new = task(["a", "b"][one % 2], number * 10 + one);
        new.priority = dice.i32(0..2);
        if dice.u8(..4) == 0 {
            new.eta = Due::In(Duration::from_secs(dice.u64(1..9)));
        }
        if dice.u8(..5) == 0 {
            new.unique_key = Some(format!("key {}", dice.u8(..9)));
        }
        session.enqueue(std::slice::from_ref(&new), now)?;
    }
    let taken = session.claim(&claim(dice.usize(..5), now), now)?.tasks;
    for task in taken {
        let change = match dice.u8(..8) {
            0 => broke(&task),
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
        let ended: Vec<&Task> = found
            .iter()
            .filter(|task| task.status == TaskStatus::Cancelled && task.owner.is_none())
            .collect();
        for task in ended {
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

/// All that was done, and the tasks after each answer.
fn perform(durability: Durability, seed: u64, batches: usize) -> (Vec<Step>, Vec<Vec<Task>>) {
    let mut dice = Rng::with_seed(seed);
    let disk = MemoryDisk::new();
    let mut session = open(&disk, durability).unwrap();
    let mut moments = vec![Vec::new()];
    for number in 0..batches {
        let (told, _) = batch(&mut session, |session| work(session, number, &mut dice));
        assert_eq!(told, Told::Done);
        disk.answered();
        moments.push(all(&mut session));
    }
    (disk.steps(), moments)
}

/// What is on the disk for good, and what may be.
struct Cut {
    durable: Tree,
    pending: Vec<Step>,
}

impl Cut {
    fn after(&mut self, step: &Step) {
        let flushed = |pending: &Step| match step {
            Step::SyncAll => true,
            Step::Sync(path) => {
                matches!(pending, Step::Make(of) | Step::Write(of, ..) | Step::Cut(of, _) if of == path)
            }
            _ => false,
        };
        let durable = &mut self.durable;
        self.pending.retain(|pending| {
            // What is in a folder that is not on the disk yet comes with the folder.
            !flushed(pending) || durable.apply(pending).is_err()
        });
        if !matches!(step, Step::Sync(_) | Step::SyncAll | Step::Answered) {
            self.pending.push(step.clone());
        }
    }

    /// Some of the rest: each step with this chance, writes perhaps only in part.
    fn with_some(&self, chance: f64, dice: &mut Rng) -> Tree {
        let mut tree = self.durable.clone();
        for step in &self.pending {
            if dice.f64() >= chance {
                continue;
            }
            let torn = match step {
                Step::Write(path, at, bytes)
                    if bytes.len() > 512 && chance < 1.0 && dice.bool() =>
                {
                    let sectors = dice.usize(..bytes.len() / 512 + 1);
                    Some(Step::Write(
                        path.clone(),
                        *at,
                        bytes[..sectors * 512].to_vec(),
                    ))
                }
                _ => None,
            };
            // What it builds on may be missing.
            let _ = tree.apply(torn.as_ref().unwrap_or(step));
        }
        tree
    }
}

/// Opens what is left, and looks whether it is whole.
fn whole(tree: Tree, durability: Durability) -> Vec<Task> {
    let disk = MemoryDisk::of(tree, 2);
    let mut session = open(&disk, durability).expect("it opens");
    session.let_go();
    let found = all(&mut session);
    let (told, _) = batch(&mut session, |session| {
        let store = session.reader()?;
        rebuild::rebuild(store)?;
        assert_eq!(
            store.batch.ops,
            [],
            "every file is where it should be, and once"
        );
        Ok(())
    });
    assert_eq!(told, Told::Done);
    same(
        &all(&mut session),
        &found,
        "the index says what the files say",
    );
    let (told, _) = batch(&mut session, |session| {
        session.enqueue(&[task("next", 0)], NOW)
    });
    assert_eq!(told, Told::Done);
    let ids: Vec<_> = all(&mut session).iter().map(|task| task.id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    assert_eq!(ids.len(), found.len() + 1);
    found
}

fn each_cut(durability: Durability, seed: u64, batches: usize, subsets: usize) {
    let (steps, moments) = perform(durability, seed, batches);
    let mut dice = Rng::with_seed(seed);
    let base = Tree {
        folders: ["/base".into()].into(),
        ..Tree::default()
    };
    let mut cut = Cut {
        durable: base,
        pending: Vec::new(),
    };
    let mut answered = 0;
    for step in &steps {
        cut.after(step);
        answered += usize::from(*step == Step::Answered);
        let mut chances = vec![0.0, 1.0];
        chances.extend((0..subsets).map(|at| 0.1 + 0.8 * at as f64 / subsets as f64));
        for chance in chances {
            let found = whole(cut.with_some(chance, &mut dice), durability);
            if durability == Durability::Full {
                let last = moments.len() - 1;
                let fits = found == moments[answered] || found == moments[last.min(answered + 1)];
                assert!(fits, "after {answered} answers, at {step:?}: {found:#?}");
            }
        }
    }
    eprintln!("{} steps, {} batches", steps.len(), batches);
}

/// `OMNIQ_CUT_BATCHES` asks for more.
fn batches(usual: usize) -> usize {
    let asked = std::env::var("OMNIQ_CUT_BATCHES").ok();
    asked.map_or(usual, |text| text.parse().unwrap())
}

#[test]
fn at_full_durability_what_was_answered_is_there_and_nothing_is_torn() {
    each_cut(Durability::Full, seed(), batches(7), 16);
}

#[test]
fn at_normal_durability_nothing_is_torn_or_doubled() {
    each_cut(Durability::Normal, seed(), batches(7), 6);
}

/// Not an accident of one workload.
#[test]
fn many_workloads_survive_a_cut_at_their_end() {
    let mut dice = Rng::with_seed(seed());
    for _ in 0..20 {
        let seed = dice.u64(..);
        let (steps, moments) = perform(Durability::Full, seed, 30);
        let mut cut = Cut {
            durable: Tree {
                folders: ["/base".into()].into(),
                ..Tree::default()
            },
            pending: Vec::new(),
        };
        steps.iter().for_each(|step| cut.after(step));
        for chance in [0.0, 0.3, 0.6, 1.0] {
            let found = whole(cut.with_some(chance, &mut dice), Durability::Full);
            same(&found, &moments[moments.len() - 1], &format!("seed {seed}"));
        }
    }
}

/// All tasks, but only those that differ are shown.
fn same(found: &[Task], expected: &[Task], what: &str) {
    let differs = |task: &&Task| !expected.contains(task);
    let missing = |task: &&Task| !found.contains(task);
    let wrong: Vec<_> = found.iter().filter(differs).collect();
    let missing: Vec<_> = expected.iter().filter(missing).collect();
    assert!(
        wrong.is_empty() && missing.is_empty(),
        "{what}: {wrong:#?} instead of {missing:#?}"
    );
}

/// A process dies after every single step; the machine goes on.
#[test]
fn whoever_comes_after_a_killed_process_finds_all_that_was_answered() {
    let seed = seed();
    for durability in [Durability::Full, Durability::Normal] {
        let (steps, moments) = perform(durability, seed, 16);
        let mut tree = Tree {
            folders: ["/base".into()].into(),
            ..Tree::default()
        };
        let mut answered = 0;
        for step in &steps {
            tree.apply(step).unwrap();
            answered += usize::from(*step == Step::Answered);
            let disk = MemoryDisk::of(tree.clone(), 1);
            let mut session = open(&disk, durability).expect("it opens");
            session.let_go();
            let found = all(&mut session);
            let last = moments.len() - 1;
            let fits = found == moments[answered] || found == moments[last.min(answered + 1)];
            assert!(fits, "after {answered} answers, at {step:?}");
            drop(session);
            let _: Arc<MemoryDisk> = disk;
        }
    }
}
