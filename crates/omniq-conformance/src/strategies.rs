//! Generates random operations.

use std::time::Duration;

use omniq_core::storage::ClaimFilter;
use omniq_core::{Backoff, Due, Format, NewTask, Payload, TaskStatus};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::{select, subsequence};
use proptest_state_machine::ReferenceStateMachine;

use crate::builders::at;
use crate::operations::{ChangeKind, ChangePlan, ModelState, Operation, OrderPlan};

const NAMES: [&str; 2] = ["a", "b"];
const QUEUES: [&str; 2] = ["q", "r"];

/// Random sequences of operations on the model.
pub(crate) struct RandomOperations;

impl ReferenceStateMachine for RandomOperations {
    type State = ModelState;
    type Transition = Operation;

    fn init_state() -> BoxedStrategy<ModelState> {
        Just(ModelState::start()).boxed()
    }

    fn transitions(_: &ModelState) -> BoxedStrategy<Operation> {
        prop_oneof![
            5 => vec(order_plan(), 1..5).prop_map(Operation::Enqueue),
            6 => claim(),
            8 => vec(change_plan(), 1..4).prop_map(Operation::Settle),
            3 => (vec(0..99_usize, 1..4), proptest::bool::weighted(0.2), 1..12_u64)
                .prop_map(|(picks, stale, lease_for)| Operation::Renew { picks, stale, lease_for }),
            3 => (vec(0..99_usize, 1..4), proptest::bool::weighted(0.2), 0.0..=1.0)
                .prop_map(|(picks, stale, fraction)| Operation::ProgressUpdate { picks, stale, fraction }),
            3 => (1..3_u32).prop_map(|max_crashes| Operation::TakeOver { max_crashes }),
            1 => (subsequence(&TaskStatus::ALL, 0..=5), 0..10_u64, 0..4_usize)
                .prop_map(|(statuses, older_than, limit)| Operation::Purge { statuses, older_than, limit }),
            3 => (-5..9_i64).prop_map(Operation::Clock),
            3 => (1..12_u64).prop_map(Operation::MonotonicClock),
        ]
        .boxed()
    }

    fn apply(mut state: ModelState, operation: &Operation) -> ModelState {
        state.execute(operation);
        state
    }
}

fn claim() -> impl Strategy<Value = Operation> {
    (filter(), 0..5_usize, 1..4_i64, 1..12_u64).prop_map(|(filter, limit, owner, lease_for)| {
        Operation::Claim {
            filter,
            limit,
            owner,
            lease_for,
        }
    })
}

fn filter() -> impl Strategy<Value = ClaimFilter> {
    let names = option::weighted(0.3, subsequence(&NAMES, 0..=2));
    let queues = option::weighted(0.3, subsequence(&QUEUES, 0..=2));
    let formats = option::weighted(0.2, select(&Format::ALL));
    (names, queues, formats).prop_map(|(names, queues, format)| {
        let mut filter = ClaimFilter::any();
        filter.names = names.map(|names| names.into_iter().map(Into::into).collect());
        filter.queues = queues.map(|queues| queues.into_iter().map(Into::into).collect());
        filter.formats = format.map(|format| vec![format]);
        filter
    })
}

fn order_plan() -> impl Strategy<Value = OrderPlan> {
    let lane = (
        select(&NAMES),
        select(&QUEUES),
        select(&[Format::Json, Format::Raw]),
    );
    let eta = prop_oneof![
        3 => Just(Due::NOW),
        1 => (-9..20_i64).prop_map(|seconds| Due::At(at(seconds))),
        1 => (0..9_u64).prop_map(|seconds| Due::In(Duration::from_secs(seconds))),
    ];
    let position = (-1..=1_i32, eta, option::weighted(0.3, select(&["k", "l"])));
    let series = (
        option::weighted(0.2, 1..9_u64),
        option::weighted(0.2, 0..99_usize),
    );
    let rest = (1..4_u32, option::weighted(0.1, 1..3_u32));
    (lane, position, series, rest).prop_map(
        |(
            (name, queue, format),
            (priority, eta, key),
            (interval, series),
            (max_attempts, hold_count),
        )| {
            let mut new = NewTask::new(name, queue, Payload::new(format, b"[]".to_vec()));
            new.priority = priority;
            new.eta = eta;
            new.unique_key = key.map(str::to_owned);
            new.interval = interval.map(Duration::from_secs);
            new.max_attempts = max_attempts;
            new.hold_count = hold_count.unwrap_or(0);
            new.backoff = Backoff::Fixed(Duration::from_secs(2));
            OrderPlan { new, series }
        },
    )
}

fn change_plan() -> impl Strategy<Value = ChangePlan> {
    let kind = prop_oneof![
        3 => Just(ChangeKind::Succeed),
        3 => any::<bool>().prop_map(|retryable| ChangeKind::Fail { retryable }),
        2 => Just(ChangeKind::Release),
        2 => any::<bool>().prop_map(|running| ChangeKind::Cancel { running }),
        1 => Just(ChangeKind::ReleaseCancelled),
        3 => any::<bool>().prop_map(|cancelled| ChangeKind::Requeue { cancelled }),
        2 => (-9..20_i64).prop_map(ChangeKind::Reschedule),
    ];
    let then = prop_oneof![3 => Just(vec![]), 1 => vec(order_plan(), 1..3)];
    let rarely = || proptest::bool::weighted(0.1);
    (0..99_usize, kind, rarely(), rarely(), then).prop_map(
        |(pick, kind, any_status, stale, then)| ChangePlan {
            pick,
            kind,
            any_status,
            stale,
            then,
        },
    )
}
