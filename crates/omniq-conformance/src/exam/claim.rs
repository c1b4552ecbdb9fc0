//! Questions about claims.

use std::collections::BTreeSet;

use omniq_core::storage::{ClaimFilter, Claimed, Enqueued};
use omniq_core::{Due, Format, NewTask, Task, TaskId, TaskStatus, Timestamp};

use crate::Fixture;
use crate::builders::{
    NOW, QUEUE, at, cancel_change, due_at, order, order_with, owner, release, request, request_for,
};
use crate::bystanders::FAR;

async fn ids(fixture: &Fixture, orders: Vec<NewTask>) -> Vec<TaskId> {
    let answers = fixture.enqueue(orders, NOW).await;
    answers.into_iter().map(Enqueued::id).collect()
}

pub(crate) async fn priority_then_eta_then_order_across_lanes(fixture: Fixture) {
    let rank = |name: &str, priority: i32, eta: i64| {
        order_with(name, |new| {
            new.priority = priority;
            new.eta = Due::At(at(eta));
        })
    };
    // Each name is the position at which the task is claimed. Each pair of name and queue is a lane.
    let mut orders = vec![
        rank("7", -1, -9),
        rank("3", 5, -1),
        rank("0", 9, 0),
        rank("4", 0, -5),
        rank("5", 0, -2),
        rank("1", 5, -3),
        rank("6", 0, -2),
        rank("2", 5, -3),
    ];
    orders
        .iter_mut()
        .step_by(3)
        .for_each(|o| o.queue = "here too".to_owned());
    fixture.enqueue(orders, NOW).await;
    let filter = ClaimFilter::any().queues([QUEUE, "here too"]);
    let mut places = Vec::new();
    for limit in [1, 3, 10] {
        let tasks = fixture
            .claim(request_for(filter.clone(), NOW).limit(limit))
            .await;
        places.extend(tasks.into_iter().map(|task| task.name));
    }
    assert_eq!(places, ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

pub(crate) async fn only_tasks_that_the_filter_takes(fixture: Fixture) {
    let lanes = [
        ("q1", "a", Format::Json),
        ("q1", "b", Format::Raw),
        ("q2", "a", Format::Raw),
        ("q2", "b", Format::Pickle),
    ];
    let order = |(queue, name, format): (&str, &str, Format)| {
        order_with(name, |new| {
            new.queue = queue.to_owned();
            new.payload.format = format;
        })
    };
    let any = ClaimFilter::any;
    let none: [&str; 0] = [];
    let cases = [
        (any().queues(["q1"]), vec![0, 1]),
        (any().queues(["q1", "q2", "q3"]).names(["a"]), vec![0, 2]),
        (any().names(["b"]), vec![1, 3]),
        (any().formats([Format::Raw]), vec![1, 2]),
        (
            any().queues(["q2"]).formats([Format::Pickle, Format::Json]),
            vec![3],
        ),
        (
            any().queues(["q1"]).names(["b"]).formats([Format::Json]),
            vec![],
        ),
        (any().queues(none), vec![]),
        (any().names(none), vec![]),
        (any().formats([]), vec![]),
        (any(), vec![0, 1, 2, 3]),
        (any().queues(["Q1"]), vec![]),
    ];
    for (filter, taken) in cases {
        let ids = ids(&fixture, lanes.map(order).to_vec()).await;
        let expected: Vec<_> = taken.into_iter().map(|lane: usize| ids[lane]).collect();
        let claimed = fixture
            .claimed_ids(request_for(filter.clone(), NOW).limit(9))
            .await;
        assert_eq!(claimed, expected, "{filter:?}");
        for id in ids {
            let change = cancel_change(&fixture.task(id).await);
            fixture.apply(change, NOW).await;
        }
    }
}

pub(crate) async fn never_before_the_eta(fixture: Fixture) {
    let id = fixture.add(due_at("a", Timestamp(NOW.0 + 2))).await;
    for now in [at(-60), NOW, Timestamp(NOW.0 + 1)] {
        assert_eq!(fixture.claimed_ids(request(now)).await, []);
    }
    assert_eq!(
        fixture.claimed_ids(request(Timestamp(NOW.0 + 2))).await,
        [id]
    );
}

pub(crate) async fn a_due_task_stays_due(fixture: Fixture) {
    let urgent = order_with("urgent", |new| new.priority = 1);
    let urgent = fixture.add(urgent).await;
    let seen = fixture.add(due_at("seen", at(10))).await;
    let claimed = fixture.claimed_ids(request(at(10))).await;
    assert_eq!(
        claimed,
        [urgent],
        "the claim also noticed that the other one is due"
    );
    let enqueued = fixture.enqueue(vec![order("enqueued")], at(20)).await[0].id();
    // Now the clock is set back by a minute.
    let tasks = fixture.claim(request(at(-60)).limit(9)).await;
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    assert_eq!(ids, [seen, enqueued]);
    for task in &tasks {
        fixture.apply(release(task), at(-120)).await;
    }
    assert_eq!(fixture.claimed_ids(request(at(-120)).limit(9)).await, ids);
}

pub(crate) async fn many_tasks_that_become_due_together_are_all_claimed(fixture: Fixture) {
    const TASKS: usize = 2_500;
    let orders = (0..TASKS).map(|n| due_at(["a", "b"][n % 2], at(5)));
    let all = ids(&fixture, orders.collect()).await;
    assert_eq!(fixture.claimed_ids(request(at(4))).await, []);
    let mut claimed = Vec::new();
    while claimed.len() < TASKS {
        let found = fixture
            .first
            .claim(request(at(5)).limit(400))
            .await
            .expect("claim");
        assert!(
            !found.tasks.is_empty(),
            "{} of {TASKS} were claimed",
            claimed.len()
        );
        if found.tasks.len() < 400 && claimed.len() + found.tasks.len() < TASKS {
            assert_eq!(found.next_due, Some(at(5)), "there are more");
        }
        claimed.extend(found.tasks.into_iter().map(|task| task.id));
    }
    claimed.sort_unstable();
    assert_eq!(claimed, all);
    let after = fixture.first.claim(request(at(5))).await.expect("claim");
    assert_eq!(after, Claimed::default());
}

pub(crate) async fn next_due_is_exact_and_filtered(fixture: Fixture) {
    let next_due = async |filter: ClaimFilter, limit| {
        let request = request_for(filter, NOW).limit(limit);
        fixture.first.claim(request).await.expect("claim").next_due
    };
    let here = || ClaimFilter::any().queues([QUEUE]);
    assert_eq!(next_due(here(), 1).await, None, "nothing is here");
    let soon = fixture.add(due_at("a", Timestamp(NOW.0 + 7))).await;
    fixture.add(due_at("b", Timestamp(NOW.0 + 5))).await;
    fixture.add(due_at("a", at(30))).await;
    let held_back = order_with("a", |new| {
        new.eta = Due::At(Timestamp(NOW.0 + 1));
        new.hold_count = 1;
    });
    fixture.add(held_back).await;
    assert_eq!(next_due(here(), 1).await, Some(Timestamp(NOW.0 + 5)));
    assert_eq!(
        next_due(here().names(["a"]), 1).await,
        Some(Timestamp(NOW.0 + 7))
    );
    assert_eq!(next_due(here().formats([Format::Raw]), 1).await, None);
    assert_eq!(
        next_due(ClaimFilter::any().names(["waiting"]), 1).await,
        Some(NOW.after(FAR))
    );

    let change = cancel_change(&fixture.task(soon).await);
    fixture.apply(change, NOW).await;
    assert_eq!(next_due(here().names(["a"]), 1).await, Some(at(30)));
    fixture.add(order("a")).await;
    fixture.add(order("a")).await;
    assert_eq!(
        next_due(here().names(["a"]), 1).await,
        None,
        "as many as requested"
    );
    assert_eq!(
        next_due(here().names(["a"]), 2).await,
        Some(at(30)),
        "one fewer"
    );
}

pub(crate) async fn no_more_than_the_limit(fixture: Fixture) {
    fixture.enqueue(vec![order("a"); 10], NOW).await;
    for (limit, expected) in [(0, 0), (3, 3), (1, 1), (100, 6), (1, 0)] {
        let claimed = fixture.claimed_ids(request(NOW).limit(limit)).await;
        assert_eq!(claimed.len(), expected, "limit {limit}");
    }
}

pub(crate) async fn tasks_of_other_lanes_are_untouched(fixture: Fixture) {
    let foreign = (0..2_000).map(|n| {
        order_with(&format!("foreign {}", n % 7), |new| {
            new.priority = 100;
            new.payload.format = [Format::Json, Format::Pickle][n % 2];
        })
    });
    let foreign = ids(&fixture, foreign.collect()).await;
    let ours = fixture.add(order("ours")).await;
    let request = request_for(ClaimFilter::any().names(["ours"]), NOW).limit(9);
    let found = fixture.first.claim(request).await.expect("claim");
    assert_eq!(found.tasks.len(), 1);
    assert_eq!((found.tasks[0].id, found.next_due), (ours, None));
    let tasks = fixture.first.get(foreign).await.expect("get");
    let untouched = |t: &Task| t.status == TaskStatus::Pending && t.lease == 0;
    assert!(tasks.iter().flatten().all(untouched));
    assert_eq!(tasks.iter().flatten().count(), 2_000);
}

pub(crate) async fn a_held_back_task_is_never_claimed(fixture: Fixture) {
    let held_back = |name, eta| {
        order_with(name, |new| {
            new.hold_count = 1;
            new.eta = Due::At(at(eta));
        })
    };
    fixture
        .enqueue(vec![held_back("now", 0), held_back("later", 10)], NOW)
        .await;
    for now in [NOW, at(10), at(1_000)] {
        let found = fixture
            .first
            .claim(request(now).limit(9))
            .await
            .expect("claim");
        assert_eq!(found, Claimed::default());
    }
}

pub(crate) async fn a_claim_updates_the_task(fixture: Fixture) {
    let id = fixture.add(order("a")).await;
    let mut expected = fixture.task(id).await;
    for (round, now) in [(1, at(3)), (2, at(1))] {
        let mut request = request(now);
        request.owner = owner(i64::from(round));
        let claimed = fixture.claim(request).await;
        expected.status = TaskStatus::Running;
        expected.attempts = round;
        expected.lease = u64::from(round);
        expected.owner = Some(owner(i64::from(round)));
        expected.started_at = Some(now);
        assert_eq!(claimed, [expected.clone()]);
        assert_eq!(fixture.task(id).await, expected);
        let mut change = release(&expected);
        change.attempts = Some(round);
        fixture.apply(change, now).await;
    }
}

pub(crate) async fn no_task_is_claimed_twice(fixture: Fixture) {
    let all = ids(&fixture, vec![order("a"); 30]).await;
    let mut seen = BTreeSet::new();
    for round in 0..6 {
        let handle = [&fixture.first, &fixture.second][round % 2];
        let found = handle.claim(request(NOW).limit(5)).await.expect("claim");
        assert_eq!(found.tasks.len(), 5);
        for task in found.tasks {
            assert!(seen.insert(task.id), "{} was claimed before", task.id);
        }
    }
    assert_eq!(seen, all.into_iter().collect());
}
