//! The judge sees what it is there for: each tale breaks one rule.

use omniq::storage::NewTask;
use omniq::{Format, Payload, Task, TaskId, TaskStatus, Timestamp};
use omniq_crashtest::judge::{Evidence, Rule, judge};
use omniq_crashtest::{Death, Line, Mark, worker};

/// A task that process 1 began, that was killed, and that process 2 ended.
fn tale() -> Evidence {
    let id = TaskId::from_i64(7).unwrap();
    let new = NewTask::new(
        worker::NOTE,
        "default",
        Payload::encode(Format::Json, &()).unwrap(),
    );
    let mut task = Task::from_new(new, id, Timestamp(0));
    task.status = TaskStatus::Success;
    (task.attempts, task.lease, task.crashes) = (1, 2, 1);
    let line = |mark, lease, process, at| Line {
        mark,
        id,
        lease,
        process,
        at,
    };
    Evidence {
        lines: vec![
            line(Mark::Ordered, 0, 3, 1),
            line(Mark::Start, 1, 1, 2),
            line(Mark::Start, 2, 2, 5),
            line(Mark::End, 2, 2, 6),
        ],
        tasks: vec![task],
        deaths: vec![Death { process: 1, at: 3 }],
        max_crashes: 3,
    }
}

fn broken(change: impl FnOnce(&mut Evidence)) -> Vec<Rule> {
    let mut tale = tale();
    change(&mut tale);
    let broken = judge(&tale).broken;
    broken.into_iter().map(|(rule, ..)| rule).collect()
}

#[test]
fn a_kill_that_was_made_good_breaks_no_rule() {
    assert_eq!(broken(|_| {}), []);
}

#[test]
fn every_rule_is_seen_to_break() {
    let one = |rule, change: fn(&mut Evidence)| assert_eq!(broken(change), [rule]);
    one(Rule::NothingIsLost, |tale| {
        tale.tasks.clear();
        tale.lines.truncate(1);
    });
    one(Rule::ItEndsAsItShould, |tale| {
        tale.tasks[0].status = TaskStatus::Failed;
    });
    one(Rule::ItsResultHasAnExecution, |tale| {
        tale.tasks[0].lease = 3;
    });
    one(Rule::LeasesOnlyGoUp, |tale| tale.lines[1].lease = 2);
    one(Rule::DuplicatesHaveAKill, |tale| tale.deaths.clear());
    one(Rule::DuplicatesHaveAKill, |tale| tale.deaths[0].at = 6);
    one(Rule::OneValidLeaseAtATime, |tale| {
        let mut late = tale.lines[1];
        late.mark = Mark::End;
        tale.tasks[0].crashes = 0;
        tale.lines.push(late);
    });
    one(Rule::KillsBurnNoAttempt, |tale| tale.tasks[0].attempts = 2);
    one(Rule::CrashesAreCounted, |tale| tale.tasks[0].crashes = 0);
    one(Rule::CrashesAreCounted, |tale| tale.tasks[0].crashes = 2);
}
