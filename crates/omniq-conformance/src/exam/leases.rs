use std::time::Duration;

use omniq_core::settle::{cancel, take_over};
use omniq_core::storage::{Hold, Lease, OrphanReason, Settled};
use omniq_core::{Change, Task, TaskId};

use crate::Scene;
use crate::orders::{LEASE, NOW, SECOND, at, order, release, success, unknown_id, wish};

/// A reading of a clock that has nothing to do with the wall's.
fn monotonic(seconds: u64) -> Duration {
    Duration::from_secs(5_000 + seconds)
}

async fn over(scene: &Scene, seconds: u64) -> Vec<TaskId> {
    let orphans = scene
        .here
        .orphans(monotonic(seconds), 100)
        .await
        .expect("orphans");
    let mut ids: Vec<_> = orphans.iter().map(|orphan| orphan.task.id).collect();
    ids.sort_unstable();
    ids
}

async fn renew(scene: &Scene, task: &Task, lease_for: Duration) -> Hold {
    scene
        .here
        .renew(vec![task.lease()], lease_for)
        .await
        .expect("renew")[0]
}

pub(crate) async fn each_lease_is_told_how_it_stands(scene: Scene) {
    scene.enqueue(vec![order("a"); 4], NOW).await;
    let tasks = scene.claim(wish(NOW).limit(4)).await;
    scene
        .done(cancel(&tasks[1]).into_change().expect("it is running"), NOW)
        .await;
    scene.done(success(&tasks[2], vec![]), NOW).await;
    scene.done(release(&tasks[3]), NOW).await;
    let mut leases: Vec<_> = tasks.iter().map(Task::lease).collect();
    leases.push(Lease::new(unknown_id(), 1));
    leases.push(Lease::new(leases[0].id, 2));
    let expected = [
        Hold::Held,
        Hold::Cancelled,
        Hold::Lost,
        Hold::Lost,
        Hold::Lost,
        Hold::Lost,
    ];
    let before = scene
        .here
        .get(leases.iter().map(|lease| lease.id).collect())
        .await
        .expect("get");
    for handle in [&scene.here, &scene.there] {
        assert_eq!(handle.held(leases.clone()).await.expect("held"), expected);
        assert_eq!(
            handle.renew(leases.clone(), LEASE).await.expect("renew"),
            expected
        );
    }
    let after = scene
        .here
        .get(leases.iter().map(|lease| lease.id).collect())
        .await
        .expect("get");
    assert_eq!(after, before);
    scene.done(Change::release_cancelled(&tasks[1]), NOW).await;
    assert_eq!(renew(&scene, &tasks[1], LEASE).await, Hold::Lost);
    let again = scene.claim_one(NOW).await;
    assert_eq!(
        renew(&scene, &tasks[3], LEASE).await,
        Hold::Lost,
        "an earlier lease"
    );
    assert_eq!(renew(&scene, &again, LEASE).await, Hold::Held);
}

pub(crate) async fn a_lease_is_over_after_its_length_unrenewed(scene: Scene) {
    let task = scene.running(order("a")).await;
    assert_eq!(over(&scene, 0).await, [], "seen for the first time");
    assert_eq!(over(&scene, 29).await, []);
    let orphans = scene
        .here
        .orphans(monotonic(30), 100)
        .await
        .expect("orphans");
    assert_eq!(orphans.len(), 1);
    assert_eq!(orphans[0].task, task);
    assert_eq!(orphans[0].reason, OrphanReason::LeaseExpired);
    assert_eq!(
        over(&scene, 31).await,
        [task.id],
        "until somebody takes it over"
    );
    let change = take_over(&orphans[0], 3, NOW, 0.5).expect("it is running");
    scene.done(change, NOW).await;
    assert_eq!(over(&scene, 32).await, []);
}

pub(crate) async fn a_renewed_lease_is_not_over(scene: Scene) {
    let task = scene.running(order("a")).await;
    let silent = scene.running(order("a")).await;
    assert_eq!(over(&scene, 0).await, []);
    for seconds in [20, 40, 60, 80] {
        let handle = [&scene.here, &scene.there][(seconds / 20 % 2) as usize];
        let held = handle
            .renew(vec![task.lease()], LEASE)
            .await
            .expect("renew");
        assert_eq!(held, [Hold::Held]);
        assert!(!over(&scene, seconds).await.contains(&task.id));
    }
    assert_eq!(over(&scene, 109).await, [silent.id]);
    let held = scene.here.held(vec![task.lease()]).await.expect("held");
    assert_eq!(held, [Hold::Held], "a look does not renew");
    assert_eq!(over(&scene, 110).await, [task.id, silent.id]);
    assert_eq!(renew(&scene, &task, LEASE).await, Hold::Held);
    assert_eq!(
        over(&scene, 111).await,
        [silent.id],
        "late, but still its own"
    );
}

pub(crate) async fn the_wall_clock_does_not_matter(scene: Scene) {
    let task = scene.running(order("a")).await;
    assert_eq!(over(&scene, 0).await, []);
    for days in [1_000, -1_000] {
        let now = at(days * 24 * 60 * 60);
        let other = scene.enqueue(vec![order("b")], now).await[0].id();
        scene.claim(wish(now)).await;
        let other = scene.task(other).await;
        scene.done(success(&other, vec![]), now).await;
        assert_eq!(over(&scene, 29).await, []);
    }
    assert_eq!(over(&scene, 30).await, [task.id]);
}

pub(crate) async fn a_renewal_may_change_the_length(scene: Scene) {
    let task = scene.running(order("a")).await;
    let mut short = wish(NOW);
    short.lease_for = SECOND * 5;
    scene.add(order("b")).await;
    let brief = scene.claim(short).await.remove(0);
    assert_eq!(over(&scene, 0).await, []);
    assert_eq!(renew(&scene, &task, SECOND * 90).await, Hold::Held);
    assert_eq!(over(&scene, 5).await, [brief.id]);
    assert_eq!(over(&scene, 94).await, [brief.id]);
    assert_eq!(over(&scene, 95).await, [task.id, brief.id]);
}

pub(crate) async fn a_cancelled_task_that_nobody_lets_go_is_an_orphan(scene: Scene) {
    let task = scene.running(order("a")).await;
    scene
        .done(cancel(&task).into_change().expect("it is running"), NOW)
        .await;
    assert_eq!(over(&scene, 0).await, []);
    assert_eq!(renew(&scene, &task, LEASE).await, Hold::Cancelled);
    assert_eq!(over(&scene, 10).await, []);
    assert_eq!(over(&scene, 39).await, []);
    let orphans = scene
        .here
        .orphans(monotonic(40), 100)
        .await
        .expect("orphans");
    assert_eq!(orphans.len(), 1);
    assert_eq!(orphans[0].task, scene.task(task.id).await);
    let change = take_over(&orphans[0], 3, NOW, 0.5).expect("a cancelled task is let go of");
    scene.done(change, NOW).await;
    assert_eq!(scene.task(task.id).await.owner, None);
    assert_eq!(over(&scene, 41).await, []);
}

pub(crate) async fn no_more_orphans_than_the_limit(scene: Scene) {
    scene.enqueue(vec![order("a"); 5], NOW).await;
    scene.claim(wish(NOW).limit(5)).await;
    assert_eq!(over(&scene, 0).await, []);
    let mut found = 0;
    for expected in [0, 2, 2, 1, 0] {
        let limit = if expected == 0 && found == 0 { 0 } else { 2 };
        let orphans = scene
            .here
            .orphans(monotonic(60), limit)
            .await
            .expect("orphans");
        assert_eq!(orphans.len(), expected);
        found += orphans.len();
        for orphan in orphans {
            let change = take_over(&orphan, 3, NOW, 0.5).expect("it is running");
            scene.done(change, NOW).await;
        }
    }
    assert_eq!(found, 5);
}

pub(crate) async fn a_new_lease_starts_its_own_watch(scene: Scene) {
    let task = scene.running(order("a")).await;
    assert_eq!(over(&scene, 0).await, []);
    scene.done(release(&task), NOW).await;
    let again = scene.claim_one(NOW).await;
    assert_eq!(over(&scene, 29).await, [], "another lease of the same task");
    assert_eq!(over(&scene, 58).await, []);
    assert_eq!(over(&scene, 59).await, [again.id]);
    let late = success(&task, vec![]);
    assert!(matches!(
        scene.settle(late, NOW).await,
        Settled::Stale { lease: 2, .. }
    ));
}
