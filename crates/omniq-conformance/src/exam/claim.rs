use std::collections::BTreeSet;

use omniq_core::settle::cancel;
use omniq_core::storage::{ClaimFilter, Claimed, Enqueued};
use omniq_core::{Due, Format, NewTask, Task, TaskId, TaskStatus, Timestamp};

use crate::Scene;
use crate::bystanders::FAR;
use crate::orders::{HERE, NOW, at, due_at, order, order_with, owner, release, wish, wish_for};

async fn ids(scene: &Scene, orders: Vec<NewTask>) -> Vec<TaskId> {
    let answers = scene.enqueue(orders, NOW).await;
    answers.into_iter().map(Enqueued::id).collect()
}

pub(crate) async fn priority_then_eta_then_order_across_lanes(scene: Scene) {
    let rank = |name: &str, priority: i32, eta: i64| {
        order_with(name, |new| {
            new.priority = priority;
            new.eta = Due::At(at(eta));
        })
    };
    // Named for the place in which it is claimed; names and queues are lanes of their own.
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
    scene.enqueue(orders, NOW).await;
    let filter = ClaimFilter::any().queues([HERE, "here too"]);
    let mut places = Vec::new();
    for limit in [1, 3, 10] {
        let tasks = scene
            .claim(wish_for(filter.clone(), NOW).limit(limit))
            .await;
        places.extend(tasks.into_iter().map(|task| task.name));
    }
    assert_eq!(places, ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

pub(crate) async fn only_what_the_filter_takes(scene: Scene) {
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
        let ids = ids(&scene, lanes.map(order).to_vec()).await;
        let expected: Vec<_> = taken.into_iter().map(|lane: usize| ids[lane]).collect();
        let claimed = scene
            .claimed_ids(wish_for(filter.clone(), NOW).limit(9))
            .await;
        assert_eq!(claimed, expected, "{filter:?}");
        for id in ids {
            let change = cancel(&scene.task(id).await)
                .into_change()
                .expect("an unfinished task may be cancelled");
            scene.done(change, NOW).await;
        }
    }
}

pub(crate) async fn never_early(scene: Scene) {
    let id = scene.add(due_at("a", Timestamp(NOW.0 + 2))).await;
    for now in [at(-60), NOW, Timestamp(NOW.0 + 1)] {
        assert_eq!(scene.claimed_ids(wish(now)).await, []);
    }
    assert_eq!(scene.claimed_ids(wish(Timestamp(NOW.0 + 2))).await, [id]);
}

pub(crate) async fn once_due_stays_due(scene: Scene) {
    let urgent = order_with("urgent", |new| new.priority = 1);
    let urgent = scene.add(urgent).await;
    let seen = scene.add(due_at("seen", at(10))).await;
    let claimed = scene.claimed_ids(wish(at(10))).await;
    assert_eq!(claimed, [urgent], "which also saw the other one come due");
    let enqueued = scene.enqueue(vec![order("enqueued")], at(20)).await[0].id();
    // Now the clock goes back by a minute.
    let tasks = scene.claim(wish(at(-60)).limit(9)).await;
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    assert_eq!(ids, [seen, enqueued]);
    for task in &tasks {
        scene.done(release(task), at(-120)).await;
    }
    assert_eq!(scene.claimed_ids(wish(at(-120)).limit(9)).await, ids);
}

pub(crate) async fn what_comes_due_at_once_is_all_claimed(scene: Scene) {
    const TASKS: usize = 2_500;
    let orders = (0..TASKS).map(|n| due_at(["a", "b"][n % 2], at(5)));
    let all = ids(&scene, orders.collect()).await;
    assert_eq!(scene.claimed_ids(wish(at(4))).await, []);
    let mut claimed = Vec::new();
    while claimed.len() < TASKS {
        let found = scene
            .here
            .claim(wish(at(5)).limit(400))
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
    let after = scene.here.claim(wish(at(5))).await.expect("claim");
    assert_eq!(after, Claimed::default());
}

pub(crate) async fn next_due_is_exact_and_filtered(scene: Scene) {
    let next_due = async |filter: ClaimFilter, limit| {
        let request = wish_for(filter, NOW).limit(limit);
        scene.here.claim(request).await.expect("claim").next_due
    };
    let here = || ClaimFilter::any().queues([HERE]);
    assert_eq!(next_due(here(), 1).await, None, "nothing is here");
    let soon = scene.add(due_at("a", Timestamp(NOW.0 + 7))).await;
    scene.add(due_at("b", Timestamp(NOW.0 + 5))).await;
    scene.add(due_at("a", at(30))).await;
    let held_back = order_with("a", |new| {
        new.eta = Due::At(Timestamp(NOW.0 + 1));
        new.hold_count = 1;
    });
    scene.add(held_back).await;
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

    let change = cancel(&scene.task(soon).await)
        .into_change()
        .expect("a pending task may be cancelled");
    scene.done(change, NOW).await;
    assert_eq!(next_due(here().names(["a"]), 1).await, Some(at(30)));
    scene.add(order("a")).await;
    scene.add(order("a")).await;
    assert_eq!(
        next_due(here().names(["a"]), 1).await,
        None,
        "as many as wished"
    );
    assert_eq!(
        next_due(here().names(["a"]), 2).await,
        Some(at(30)),
        "one fewer"
    );
}

pub(crate) async fn no_more_than_the_limit(scene: Scene) {
    scene.enqueue(vec![order("a"); 10], NOW).await;
    for (limit, expected) in [(0, 0), (3, 3), (1, 1), (100, 6), (1, 0)] {
        let claimed = scene.claimed_ids(wish(NOW).limit(limit)).await;
        assert_eq!(claimed.len(), expected, "limit {limit}");
    }
}

pub(crate) async fn other_lanes_cost_nothing(scene: Scene) {
    let foreign = (0..2_000).map(|n| {
        order_with(&format!("foreign {}", n % 7), |new| {
            new.priority = 100;
            new.payload.format = [Format::Json, Format::Pickle][n % 2];
        })
    });
    let foreign = ids(&scene, foreign.collect()).await;
    let ours = scene.add(order("ours")).await;
    let request = wish_for(ClaimFilter::any().names(["ours"]), NOW).limit(9);
    let found = scene.here.claim(request).await.expect("claim");
    assert_eq!(found.tasks.len(), 1);
    assert_eq!((found.tasks[0].id, found.next_due), (ours, None));
    let tasks = scene.here.get(foreign).await.expect("get");
    let untouched = |t: &Task| t.status == TaskStatus::Pending && t.lease == 0;
    assert!(tasks.iter().flatten().all(untouched));
    assert_eq!(tasks.iter().flatten().count(), 2_000);
}

pub(crate) async fn a_held_back_task_is_never_taken(scene: Scene) {
    let held_back = |name, eta| {
        order_with(name, |new| {
            new.hold_count = 1;
            new.eta = Due::At(at(eta));
        })
    };
    scene
        .enqueue(vec![held_back("now", 0), held_back("later", 10)], NOW)
        .await;
    for now in [NOW, at(10), at(1_000)] {
        let found = scene.here.claim(wish(now).limit(9)).await.expect("claim");
        assert_eq!(found, Claimed::default());
    }
}

pub(crate) async fn a_claimed_task_says_so(scene: Scene) {
    let id = scene.add(order("a")).await;
    let mut expected = scene.task(id).await;
    for (round, now) in [(1, at(3)), (2, at(1))] {
        let mut request = wish(now);
        request.owner = owner(i64::from(round));
        let claimed = scene.claim(request).await;
        expected.status = TaskStatus::Running;
        expected.attempts = round;
        expected.lease = u64::from(round);
        expected.owner = Some(owner(i64::from(round)));
        expected.started_at = Some(now);
        assert_eq!(claimed, [expected.clone()]);
        assert_eq!(scene.task(id).await, expected);
        let mut change = release(&expected);
        change.attempts = round;
        scene.done(change, now).await;
    }
}

pub(crate) async fn nobody_else_gets_the_same(scene: Scene) {
    let all = ids(&scene, vec![order("a"); 30]).await;
    let mut seen = BTreeSet::new();
    for round in 0..6 {
        let handle = [&scene.here, &scene.there][round % 2];
        let found = handle.claim(wish(NOW).limit(5)).await.expect("claim");
        assert_eq!(found.tasks.len(), 5);
        for task in found.tasks {
            assert!(seen.insert(task.id), "{} was claimed before", task.id);
        }
    }
    assert_eq!(seen, all.into_iter().collect());
}
