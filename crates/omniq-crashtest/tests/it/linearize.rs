//! The checker of histories, and short runs of real processes.

use std::path::Path;
use std::time::Duration;

use omniq::{Backend, TaskStatus};
use omniq_crashtest::linearize::history::{Answer, Call, Event, Kind, Snapshot, What};
use omniq_crashtest::linearize::run::{Plan, run};
use omniq_crashtest::linearize::{Rules, Violation, check};

/// `OMNIQ_TEST_SEED` repeats the random decisions of a run.
#[tokio::test(flavor = "multi_thread")]
async fn operations_of_eight_processes_are_linearizable() {
    run_and_check(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_of_eight_processes_on_files_are_linearizable() {
    run_and_check(Backend::File).await;
}

async fn run_and_check(storage: Backend) {
    let plan = Plan::from_env(storage, Duration::from_secs(4)).unwrap();
    println!("{plan:?}");
    let program = Path::new(env!("CARGO_BIN_EXE_omniq-crashtest"));
    let report = run(program, plan).await.unwrap();
    for violation in &report.violations {
        println!("{violation}");
    }
    assert!(report.violations.is_empty(), "{plan:?}");
    assert!(report.tasks > 0 && report.kills > 0, "{report:?}");
}

const LEASE: Duration = Duration::from_millis(400);
/// The owner of the claims, and its task.
const OWNER: i64 = 7;
const TASK: i64 = 1;

/// A history in which each event is 1 ms after the one before.
#[derive(Default)]
struct History {
    events: Vec<Event>,
    now: u64,
}

impl History {
    fn event(&mut self, client: u64, what: What) {
        self.now += 1_000_000;
        let at = self.now;
        self.events.push(Event { client, at, what });
    }

    fn invoke(&mut self, client: u64, call: Call) {
        self.event(client, What::Invoked(call));
    }

    fn answer(&mut self, client: u64, answer: Answer) {
        self.event(client, What::Answered(answer));
    }

    /// An operation that nothing overlaps.
    fn operation(&mut self, call: Call, answer: Answer) {
        self.invoke(1, call);
        self.answer(1, answer);
    }

    fn enqueued(&mut self) {
        self.operation(enqueue(None), Answer::New(TASK));
    }

    fn claimed(&mut self, lease: u64) {
        let running = running(lease);
        self.operation(claim(), Answer::Claimed(vec![running]));
    }

    fn found(&mut self, snapshot: Snapshot) {
        let found = Answer::Found(Box::new(Some(snapshot)));
        self.operation(Call::Get { task: TASK }, found);
    }

    fn check(&self) -> Vec<Violation> {
        let rules = Rules {
            lease: LEASE,
            strict: true,
        };
        check(&self.events, rules)
    }

    #[track_caller]
    fn accepted(&self) {
        let violations = self.check();
        assert!(violations.is_empty(), "{}", violations[0]);
    }

    /// The event with this index is the first that nothing explains.
    #[track_caller]
    fn refused_at(&self, index: usize) {
        let ends: Vec<usize> = self.check().iter().map(|v| v.events).collect();
        assert_eq!(ends, [index + 1], "{:#?}", self.check());
    }

    #[track_caller]
    fn refused_at_last(&self) {
        self.refused_at(self.events.len() - 1);
    }
}

fn enqueue(key: Option<&str>) -> Call {
    Call::Enqueue {
        content: 5,
        key: key.map(str::to_owned),
    }
}

fn claim() -> Call {
    Call::Claim { owner: OWNER }
}

fn renew(lease: u64) -> Call {
    Call::Renew { task: TASK, lease }
}

fn change(lease: u64, expect: TaskStatus, kind: Kind) -> Call {
    Call::Change {
        task: TASK,
        lease,
        expect,
        kind,
    }
}

fn settle(lease: u64, kind: Kind) -> Call {
    change(lease, TaskStatus::Running, kind)
}

fn take_over(dead: bool) -> Kind {
    Kind::TakeOver {
        owner: OWNER,
        dead,
        started: false,
        last: false,
    }
}

fn pending() -> Snapshot {
    Snapshot {
        task: TASK,
        content: Some(5),
        key: None,
        status: TaskStatus::Pending,
        lease: 0,
        attempts: 0,
        crashes: 0,
        owner: None,
        result: None,
    }
}

/// The task as it is after a claim, if each earlier attempt was released.
fn running(lease: u64) -> Snapshot {
    Snapshot {
        status: TaskStatus::Running,
        lease,
        attempts: 1,
        owner: Some(OWNER),
        ..pending()
    }
}

fn succeeded() -> Snapshot {
    Snapshot {
        status: TaskStatus::Success,
        owner: None,
        result: Some(9),
        ..running(1)
    }
}

#[test]
fn a_whole_life_is_accepted() {
    let mut history = History::default();
    history.enqueued();
    history.found(pending());
    history.claimed(1);
    history.operation(renew(1), Answer::Held);
    history.operation(settle(1, Kind::Release), Answer::Applied);
    history.claimed(2);
    history.operation(renew(1), Answer::Lost);
    let stale = Answer::Stale {
        status: TaskStatus::Running,
        lease: 2,
    };
    history.operation(settle(1, Kind::Succeed(8)), stale);
    history.operation(settle(2, Kind::Succeed(9)), Answer::Applied);
    history.found(Snapshot {
        lease: 2,
        ..succeeded()
    });
    history.accepted();
}

#[test]
fn overlapping_operations_may_have_any_order() {
    let mut history = History::default();
    history.enqueued();
    history.claimed(1);
    history.invoke(1, settle(1, Kind::Cancel));
    history.invoke(2, settle(1, Kind::Succeed(9)));
    history.invoke(3, Call::Get { task: TASK });
    let found = Answer::Found(Box::new(Some(running(1))));
    let stale = Answer::Stale {
        status: TaskStatus::Success,
        lease: 1,
    };
    history.answer(1, stale);
    history.answer(3, found);
    history.answer(2, Answer::Applied);
    history.found(succeeded());
    history.accepted();
}

#[test]
fn operations_without_a_response_happen_late_or_never() {
    let mut history = History::default();
    history.invoke(1, enqueue(None));
    history.invoke(2, claim());
    history.invoke(3, Call::Get { task: TASK });
    history.answer(3, Answer::Found(Box::new(None)));
    history.event(0, What::Dies(OWNER));
    history.invoke(3, Call::Get { task: TASK });
    history.answer(3, Answer::Found(Box::new(Some(pending()))));
    history.accepted();
    history.invoke(3, settle(1, take_over(true)));
    history.answer(3, Answer::Applied);
    history.invoke(3, claim());
    history.answer(3, Answer::Claimed(vec![running(2)]));
    history.accepted();
}

#[test]
fn an_unknown_response_is_no_response() {
    for found in [running(1), succeeded()] {
        let mut history = History::default();
        history.enqueued();
        history.claimed(1);
        let unknown = Answer::Unknown("a commit failed".to_owned());
        history.operation(settle(1, Kind::Succeed(9)), unknown);
        history.found(found);
        history.accepted();
    }
}

#[test]
fn a_refused_operation_has_no_effect() {
    let mut history = History::default();
    history.enqueued();
    history.claimed(1);
    let refused = Answer::Refused("the disk is full".to_owned());
    history.operation(settle(1, Kind::Succeed(9)), refused);
    history.accepted();
    history.found(succeeded());
    history.refused_at_last();
}

#[test]
fn a_lost_enqueue_is_refused() {
    let mut history = History::default();
    history.enqueued();
    history.operation(Call::Get { task: TASK }, Answer::Found(Box::new(None)));
    history.refused_at_last();
}

#[test]
fn a_damaged_payload_is_refused() {
    let mut history = History::default();
    history.enqueued();
    history.found(Snapshot {
        content: None,
        ..pending()
    });
    history.refused_at_last();
}

#[test]
fn a_late_write_that_is_applied_is_refused() {
    for late in [Kind::Succeed(9), Kind::Retry, Kind::GiveUp, Kind::Release] {
        let mut history = History::default();
        history.enqueued();
        history.claimed(1);
        history.operation(settle(1, Kind::Release), Answer::Applied);
        history.claimed(2);
        history.accepted();
        history.operation(settle(1, late), Answer::Applied);
        history.refused_at_last();
    }
}

#[test]
fn two_valid_leases_are_refused() {
    let mut history = History::default();
    history.enqueued();
    history.claimed(1);
    history.operation(claim(), Answer::Claimed(vec![running(2)]));
    history.refused_at_last();

    let mut history = History::default();
    history.enqueued();
    history.claimed(1);
    history.operation(settle(1, Kind::Release), Answer::Applied);
    history.claimed(2);
    history.operation(renew(1), Answer::Held);
    history.refused_at_last();
}

#[test]
fn a_status_without_an_operation_is_refused() {
    let mut history = History::default();
    history.enqueued();
    history.claimed(1);
    history.found(Snapshot {
        status: TaskStatus::Cancelled,
        ..running(1)
    });
    history.refused_at_last();
}

#[test]
fn a_success_that_is_overwritten_is_refused() {
    let mut history = History::default();
    history.enqueued();
    history.claimed(1);
    history.operation(settle(1, Kind::Succeed(9)), Answer::Applied);
    let index = history.events.len() + 1;
    history.operation(settle(1, Kind::GiveUp), Answer::Applied);
    history.found(Snapshot {
        status: TaskStatus::Failed,
        result: None,
        ..succeeded()
    });
    history.refused_at(index);

    let mut history = History::default();
    history.enqueued();
    history.claimed(1);
    history.operation(settle(1, Kind::Succeed(9)), Answer::Applied);
    history.found(Snapshot {
        result: Some(10),
        ..succeeded()
    });
    history.refused_at_last();
}

#[test]
fn a_lease_that_goes_backwards_is_refused() {
    let mut history = History::default();
    history.enqueued();
    history.claimed(1);
    history.operation(settle(1, Kind::Release), Answer::Applied);
    history.claimed(2);
    history.found(running(1));
    history.refused_at_last();
}

#[test]
fn an_enqueue_that_doubles_is_refused() {
    let mut history = History::default();
    history.operation(enqueue(None), Answer::New(1));
    let copy = Snapshot {
        task: 2,
        ..pending()
    };
    history.operation(Call::List, Answer::Listed(vec![pending(), copy]));
    history.refused_at_last();
}

#[test]
fn a_unique_key_has_one_unfinished_task() {
    let mut history = History::default();
    let key = Some("key".to_owned());
    history.operation(enqueue(Some("key")), Answer::New(1));
    let second = Call::Enqueue {
        content: 6,
        key: key.clone(),
    };
    history.operation(second.clone(), Answer::Existing(1));
    history.accepted();
    history.operation(second.clone(), Answer::New(2));
    history.refused_at_last();

    let mut history = History::default();
    history.operation(enqueue(Some("key")), Answer::New(1));
    let claimed = Snapshot { key, ..running(1) };
    history.operation(claim(), Answer::Claimed(vec![claimed]));
    history.operation(settle(1, Kind::Cancel), Answer::Applied);
    // The owner of a cancelled task keeps its key.
    history.operation(second.clone(), Answer::Existing(1));
    let release = change(1, TaskStatus::Cancelled, Kind::ReleaseCancelled);
    history.operation(release, Answer::Applied);
    history.operation(second.clone(), Answer::New(2));
    let conflict = Answer::Conflict { holder: 2 };
    let requeue = change(1, TaskStatus::Cancelled, Kind::Requeue);
    history.operation(requeue, conflict);
    history.accepted();
    history.operation(second, Answer::Existing(1));
    history.refused_at_last();
}

#[test]
fn a_takeover_from_a_living_owner_is_refused() {
    let mut history = History::default();
    history.enqueued();
    history.claimed(1);
    history.operation(settle(1, take_over(true)), Answer::Applied);
    history.event(0, What::Dies(OWNER));
    history.refused_at(5);
}

#[test]
fn a_takeover_before_the_lease_has_expired_is_refused() {
    for (pause, is_expired) in [(LEASE, true), (LEASE / 2, false)] {
        let mut history = History::default();
        history.enqueued();
        history.claimed(1);
        history.now += LEASE.as_nanos() as u64;
        history.operation(renew(1), Answer::Held);
        history.now += pause.as_nanos() as u64;
        history.operation(settle(1, take_over(false)), Answer::Applied);
        match is_expired {
            true => history.accepted(),
            false => history.refused_at_last(),
        }
    }
}

#[test]
fn counts_that_come_back_are_refused() {
    let mut history = History::default();
    history.enqueued();
    history.claimed(1);
    history.now += LEASE.as_nanos() as u64;
    history.operation(settle(1, take_over(false)), Answer::Applied);
    let cancel = change(1, TaskStatus::Pending, Kind::Cancel);
    history.operation(cancel, Answer::Applied);
    // The late holder releases what it believes to hold.
    let release = change(1, TaskStatus::Cancelled, Kind::ReleaseCancelled);
    history.operation(release, Answer::Applied);
    history.accepted();
    history.found(Snapshot {
        status: TaskStatus::Cancelled,
        owner: None,
        ..running(1)
    });
    history.refused_at_last();
}
