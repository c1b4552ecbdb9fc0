//! Questions about leases, renewals and orphans.

use std::time::Duration;

use omniq_core::settle::take_over;
use omniq_core::storage::{Hold, Lease, OrphanReason, Settled};
use omniq_core::{Change, Task, TaskId};

use crate::Fixture;
use crate::builders::{
    LEASE, NOW, SECOND, at, cancel_change, order, release, request, success, unknown_id,
};

/// Returns a reading of a monotonic clock, which is independent of the wall clock.
fn monotonic(seconds: u64) -> Duration {
    Duration::from_secs(5_000 + seconds)
}

/// Returns the ids of all orphans, sorted.
async fn expired(fixture: &Fixture, seconds: u64) -> Vec<TaskId> {
    let orphans = fixture
        .first
        .orphans(monotonic(seconds), 100)
        .await
        .expect("orphans");
    let mut ids: Vec<_> = orphans.iter().map(|orphan| orphan.task.id).collect();
    ids.sort_unstable();
    ids
}

async fn renew(fixture: &Fixture, task: &Task, lease_for: Duration) -> Hold {
    fixture
        .first
        .renew(vec![task.lease()], lease_for)
        .await
        .expect("renew")[0]
}

pub(crate) async fn the_state_of_each_lease_is_returned(fixture: Fixture) {
    fixture.enqueue(vec![order("a"); 4], NOW).await;
    let tasks = fixture.claim(request(NOW).limit(4)).await;
    fixture.apply(cancel_change(&tasks[1]), NOW).await;
    fixture.apply(success(&tasks[2], vec![]), NOW).await;
    fixture.apply(release(&tasks[3]), NOW).await;
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
    let before = fixture
        .first
        .get(leases.iter().map(|lease| lease.id).collect())
        .await
        .expect("get");
    for handle in [&fixture.first, &fixture.second] {
        assert_eq!(handle.held(leases.clone()).await.expect("held"), expected);
        assert_eq!(
            handle.renew(leases.clone(), LEASE).await.expect("renew"),
            expected
        );
    }
    let after = fixture
        .first
        .get(leases.iter().map(|lease| lease.id).collect())
        .await
        .expect("get");
    assert_eq!(after, before);
    fixture
        .apply(Change::release_cancelled(&tasks[1]), NOW)
        .await;
    assert_eq!(renew(&fixture, &tasks[1], LEASE).await, Hold::Lost);
    let again = fixture.claim_one(NOW).await;
    assert_eq!(
        renew(&fixture, &tasks[3], LEASE).await,
        Hold::Lost,
        "an earlier lease"
    );
    assert_eq!(renew(&fixture, &again, LEASE).await, Hold::Held);
}

pub(crate) async fn a_lease_expires_after_its_length_without_renewal(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    assert_eq!(
        expired(&fixture, 0).await,
        [],
        "observed for the first time"
    );
    assert_eq!(expired(&fixture, 29).await, []);
    let orphans = fixture
        .first
        .orphans(monotonic(30), 100)
        .await
        .expect("orphans");
    assert_eq!(orphans.len(), 1);
    assert_eq!(orphans[0].task, task);
    assert_eq!(orphans[0].reason, OrphanReason::LeaseExpired);
    assert_eq!(
        expired(&fixture, 31).await,
        [task.id],
        "until somebody takes it over"
    );
    let change = take_over(&orphans[0], 3, NOW, 0.5).expect("it is running");
    fixture.apply(change, NOW).await;
    assert_eq!(expired(&fixture, 32).await, []);
}

pub(crate) async fn a_renewed_lease_does_not_expire(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    let unrenewed = fixture.running(order("a")).await;
    assert_eq!(expired(&fixture, 0).await, []);
    for seconds in [20, 40, 60, 80] {
        let handle = [&fixture.first, &fixture.second][(seconds / 20 % 2) as usize];
        let held = handle
            .renew(vec![task.lease()], LEASE)
            .await
            .expect("renew");
        assert_eq!(held, [Hold::Held]);
        assert!(!expired(&fixture, seconds).await.contains(&task.id));
    }
    assert_eq!(expired(&fixture, 109).await, [unrenewed.id]);
    let held = fixture.first.held(vec![task.lease()]).await.expect("held");
    assert_eq!(held, [Hold::Held], "a query does not renew");
    assert_eq!(expired(&fixture, 110).await, [task.id, unrenewed.id]);
    assert_eq!(renew(&fixture, &task, LEASE).await, Hold::Held);
    assert_eq!(
        expired(&fixture, 111).await,
        [unrenewed.id],
        "renewed late, but not taken over yet"
    );
}

pub(crate) async fn the_wall_clock_does_not_matter(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    assert_eq!(expired(&fixture, 0).await, []);
    for days in [1_000, -1_000] {
        let now = at(days * 24 * 60 * 60);
        let other = fixture.enqueue(vec![order("b")], now).await[0].id();
        fixture.claim(request(now)).await;
        let other = fixture.task(other).await;
        fixture.apply(success(&other, vec![]), now).await;
        assert_eq!(expired(&fixture, 29).await, []);
    }
    assert_eq!(expired(&fixture, 30).await, [task.id]);
}

pub(crate) async fn a_renewal_may_change_the_length(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    let mut short = request(NOW);
    short.lease_for = SECOND * 5;
    fixture.add(order("b")).await;
    let short_lived = fixture.claim(short).await.remove(0);
    assert_eq!(expired(&fixture, 0).await, []);
    assert_eq!(renew(&fixture, &task, SECOND * 90).await, Hold::Held);
    assert_eq!(expired(&fixture, 5).await, [short_lived.id]);
    assert_eq!(expired(&fixture, 94).await, [short_lived.id]);
    assert_eq!(expired(&fixture, 95).await, [task.id, short_lived.id]);
}

pub(crate) async fn a_cancelled_task_that_is_not_released_becomes_an_orphan(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    fixture.apply(cancel_change(&task), NOW).await;
    assert_eq!(expired(&fixture, 0).await, []);
    assert_eq!(renew(&fixture, &task, LEASE).await, Hold::Cancelled);
    assert_eq!(expired(&fixture, 10).await, []);
    assert_eq!(expired(&fixture, 39).await, []);
    let orphans = fixture
        .first
        .orphans(monotonic(40), 100)
        .await
        .expect("orphans");
    assert_eq!(orphans.len(), 1);
    assert_eq!(orphans[0].task, fixture.task(task.id).await);
    let change = take_over(&orphans[0], 3, NOW, 0.5).expect("a cancelled task may be released");
    fixture.apply(change, NOW).await;
    assert_eq!(fixture.task(task.id).await.owner, None);
    assert_eq!(expired(&fixture, 41).await, []);
}

pub(crate) async fn no_more_orphans_than_the_limit(fixture: Fixture) {
    fixture.enqueue(vec![order("a"); 5], NOW).await;
    fixture.claim(request(NOW).limit(5)).await;
    assert_eq!(expired(&fixture, 0).await, []);
    let mut found = 0;
    for expected in [0, 2, 2, 1, 0] {
        let limit = if expected == 0 && found == 0 { 0 } else { 2 };
        let orphans = fixture
            .first
            .orphans(monotonic(60), limit)
            .await
            .expect("orphans");
        assert_eq!(orphans.len(), expected);
        found += orphans.len();
        for orphan in orphans {
            let change = take_over(&orphan, 3, NOW, 0.5).expect("it is running");
            fixture.apply(change, NOW).await;
        }
    }
    assert_eq!(found, 5);
}

pub(crate) async fn a_new_lease_is_observed_from_its_start(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    assert_eq!(expired(&fixture, 0).await, []);
    fixture.apply(release(&task), NOW).await;
    let again = fixture.claim_one(NOW).await;
    assert_eq!(
        expired(&fixture, 29).await,
        [],
        "another lease of the same task"
    );
    assert_eq!(expired(&fixture, 58).await, []);
    assert_eq!(expired(&fixture, 59).await, [again.id]);
    let late = success(&task, vec![]);
    assert!(matches!(
        fixture.settle(late, NOW).await,
        Settled::Stale { lease: 2, .. }
    ));
}
