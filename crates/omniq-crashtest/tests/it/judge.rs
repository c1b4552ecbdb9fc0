//! Tests of the judge: each changed history breaks exactly one rule.

use omniq::storage::NewTask;
use omniq::{Format, Payload, Task, TaskId, TaskStatus, Timestamp};
use omniq_crashtest::judge::{Evidence, Rule, judge};
use omniq_crashtest::{Death, Line, Mark, worker};

/// Returns the history of a task that process 1 started before it was killed, and that process 2 finished.
fn history() -> Evidence {
    let id = TaskId::from_i64(7).unwrap();
    let new = NewTask::new(
        worker::WORK,
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

fn broken_rules(change: impl FnOnce(&mut Evidence)) -> Vec<Rule> {
    let mut history = history();
    change(&mut history);
    let broken = judge(&history).broken;
    broken.into_iter().map(|(rule, ..)| rule).collect()
}

#[test]
fn a_correct_takeover_breaks_no_rule() {
    assert_eq!(broken_rules(|_| {}), []);
}

#[test]
fn the_judge_detects_every_broken_rule() {
    let assert_breaks = |rule, change: fn(&mut Evidence)| assert_eq!(broken_rules(change), [rule]);
    assert_breaks(Rule::NothingIsLost, |history| {
        history.tasks.clear();
        history.lines.truncate(1);
    });
    assert_breaks(Rule::EndsAsExpected, |history| {
        history.tasks[0].status = TaskStatus::Failed;
    });
    assert_breaks(Rule::ResultHasAnExecution, |history| {
        history.tasks[0].lease = 3;
    });
    assert_breaks(Rule::LeasesOnlyGoUp, |history| history.lines[1].lease = 2);
    assert_breaks(Rule::DuplicatesFollowADeath, |history| {
        history.deaths.clear()
    });
    assert_breaks(Rule::DuplicatesFollowADeath, |history| {
        history.deaths[0].at = 6
    });
    assert_breaks(Rule::OneValidLeaseAtATime, |history| {
        let mut late = history.lines[1];
        late.mark = Mark::End;
        history.tasks[0].crashes = 0;
        history.lines.push(late);
    });
    assert_breaks(Rule::KillsBurnNoAttempt, |history| {
        history.tasks[0].attempts = 2
    });
    assert_breaks(Rule::CrashesAreCounted, |history| {
        history.tasks[0].crashes = 0
    });
    assert_breaks(Rule::CrashesAreCounted, |history| {
        history.tasks[0].crashes = 2
    });
}
