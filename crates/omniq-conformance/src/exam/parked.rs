//! Questions about parked claims.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use omniq_core::storage::{BoxFuture, ClaimFilter, ClaimRequest, Claimed, Parked};
use omniq_core::{Result, TaskError};

use tokio::sync::oneshot;
use tokio::task::{JoinSet, yield_now};

use crate::Fixture;
use crate::builders::{
    NOW, QUEUE, at, due_at, failed_attempt, failure, order, order_with, release, request,
    request_for, requeue_change, success,
};
use crate::seed::rng;

type Claiming<'a> = BoxFuture<'a, Result<Claimed>>;

/// Starts a claim, which must not find anything.
async fn park(fixture: &Fixture, request: ClaimRequest) -> Claiming<'_> {
    let next_due = request.park.and_then(|parked: Parked| parked.next_due);
    let mut claim = fixture.first.claim(request.park(next_due));
    assert!(is_waiting(&mut claim).await);
    claim
}

/// As [`park`], and waits until the claim has queried the storage: a later write has been answered.
pub(crate) async fn park_after_query(fixture: &Fixture, request: ClaimRequest) -> Claiming<'_> {
    let mut claim = park(fixture, request).await;
    let elsewhere = order_with("barrier", |order| order.queue = "elsewhere".to_owned());
    fixture.enqueue(vec![elsewhere], NOW).await;
    assert!(is_waiting(&mut claim).await);
    claim
}

async fn is_waiting(claim: &mut Claiming<'_>) -> bool {
    poll_fn(|context| Poll::Ready(claim.as_mut().poll(context).is_pending())).await
}

async fn answer(claim: Claiming<'_>) -> Claimed {
    claim.await.expect("claim")
}

pub(crate) async fn existing_work_is_claimed_immediately(fixture: Fixture) {
    let id = fixture.add(order("a")).await;
    assert_eq!(fixture.claimed_ids(request(NOW).park(None)).await, [id]);
    fixture.add(due_at("a", at(9))).await;
    let found = fixture
        .first
        .claim(request(NOW).park(None))
        .await
        .expect("claim");
    assert_eq!((found.tasks.len(), found.next_due), (0, Some(at(9))));
    let empty = fixture.first.claim(request(NOW).limit(0).park(None)).await;
    assert_eq!(empty.expect("claim"), Claimed::default());
}

pub(crate) async fn an_enqueue_wakes_the_claim(fixture: Fixture) {
    for now in [at(5), at(-5)] {
        let claim = park(&fixture, request(NOW)).await;
        let id = fixture.enqueue(vec![order("a"); 3], now).await[0].id();
        let found = answer(claim).await;
        assert_eq!(found.tasks.len(), 1, "the limit");
        assert_eq!(found.tasks[0].id, id);
        assert_eq!(found.tasks[0].started_at, Some(now));
        assert_eq!(fixture.claim(request(NOW).limit(9)).await.len(), 2);
    }
}

pub(crate) async fn the_claim_is_retried_with_the_time_of_the_write(fixture: Fixture) {
    let id = fixture.add(due_at("a", at(7))).await;
    let mut claim = park(&fixture, request(NOW).park(Some(at(7)))).await;
    let found = loop {
        tokio::select! {
            biased;
            found = &mut claim => break found.expect("claim"),
            _ = fixture.enqueue(vec![due_at("a", at(99))], at(8)) => {}
        }
    };
    assert_eq!(found.tasks.len(), 1, "it came due by the time of the write");
    assert_eq!(
        (found.tasks[0].id, found.tasks[0].started_at),
        (id, Some(at(8)))
    );
}

pub(crate) async fn the_time_of_the_claim_is_not_reused(fixture: Fixture) {
    for elsewhere in [false, true] {
        // The clock is set back after the claim was parked …
        let claim = park_after_query(&fixture, request(NOW)).await;
        let storage = [&fixture.first, &fixture.second][usize::from(elsewhere)];
        let early = storage.enqueue(vec![due_at("a", at(-30))], at(-60)).await;
        let found = answer(claim).await;
        assert_eq!((found.tasks.len(), found.next_due), (0, Some(at(-30))));
        let early = early.expect("enqueue")[0].id();
        assert_eq!(fixture.claimed_ids(request(at(-30))).await, [early]);
        // … or the claim is woken long after it was parked.
        let claim = park_after_query(&fixture, request(NOW)).await;
        let late = storage.enqueue(vec![order("a")], at(500)).await;
        let mut found = answer(claim).await.tasks;
        if found.is_empty() {
            found = fixture.claim(request(at(500))).await;
        }
        assert_eq!(found[0].id, late.expect("enqueue")[0].id());
        assert_eq!(found[0].started_at, Some(at(500)));
    }
}

pub(crate) async fn a_retried_task_wakes_the_claim(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    let claim = park(&fixture, request(NOW)).await;
    let mut change = failed_attempt(&task, TaskError::retry_after(Duration::ZERO));
    fixture.apply(change.clone(), at(3)).await;
    let again = answer(claim).await.tasks.remove(0);
    assert_eq!((again.id, again.attempts), (task.id, 2));

    let claim = park(&fixture, request(NOW)).await;
    change = release(&again);
    fixture.apply(change, at(4)).await;
    let again = answer(claim).await.tasks.remove(0);
    assert_eq!((again.id, again.attempts, again.lease), (task.id, 2, 3));
}

pub(crate) async fn a_requeue_wakes_the_claim(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    fixture.apply(failure(&task), NOW).await;
    let claim = park(&fixture, request(NOW)).await;
    let failed = fixture.task(task.id).await;
    fixture.apply(requeue_change(&failed), NOW).await;
    assert_eq!(answer(claim).await.tasks[0].id, task.id);
}

pub(crate) async fn a_follow_up_wakes_the_claim(fixture: Fixture) {
    let task = fixture.running(order("a")).await;
    let claim = park(&fixture, request(NOW)).await;
    fixture.apply(success(&task, vec![order("b")]), NOW).await;
    assert_eq!(answer(claim).await.tasks[0].name, "b");
}

pub(crate) async fn an_earlier_eta_answers_the_claim(fixture: Fixture) {
    fixture.add(due_at("a", at(100))).await;
    let claim = park(&fixture, request(NOW).park(Some(at(100)))).await;
    fixture.add(due_at("a", at(60))).await;
    let found = answer(claim).await;
    assert_eq!((found.tasks.len(), found.next_due), (0, Some(at(60))));

    let mut claim = park(&fixture, request(NOW).park(Some(at(60)))).await;
    fixture.add(due_at("a", at(60))).await;
    fixture.add(due_at("a", at(61))).await;
    assert!(is_waiting(&mut claim).await, "none of these is due earlier");
    let id = fixture.add(order("a")).await;
    assert_eq!(answer(claim).await.tasks[0].id, id);
}

pub(crate) async fn other_work_does_not_answer_the_claim(fixture: Fixture) {
    let ours = || request_for(ClaimFilter::any().queues([QUEUE]).names(["ours"]), NOW);
    let mut claim = park(&fixture, ours()).await;
    let foreign = fixture.add(order("foreign")).await;
    fixture.add(due_at("foreign", at(1))).await;
    assert!(is_waiting(&mut claim).await);
    let id = fixture.add(order("ours")).await;
    let found = answer(claim).await;
    assert_eq!((found.tasks[0].id, found.tasks.len()), (id, 1));
    assert_eq!(fixture.task(foreign).await.lease, 0);
}

pub(crate) async fn each_claim_wakes_for_its_own_work(fixture: Fixture) {
    let names: Vec<String> = (0..8).map(|n| format!("task {n}")).collect();
    let mut claims = Vec::new();
    for name in &names {
        let filter = ClaimFilter::any().names([name.as_str()]);
        claims.push(park(&fixture, request_for(filter, NOW)).await);
    }
    fixture
        .enqueue(names.iter().rev().map(|n| order(n)).collect(), NOW)
        .await;
    for (claim, name) in claims.into_iter().zip(&names) {
        let found = answer(claim).await;
        assert_eq!((found.tasks.len(), &found.tasks[0].name), (1, name));
    }
    // Claims with the same filter: each gets one task.
    let mut claims = Vec::new();
    for _ in 0..8 {
        claims.push(park(&fixture, request(NOW)).await);
    }
    let mut seen = BTreeSet::new();
    for _ in 0..8 {
        fixture.add(order("a")).await;
    }
    for claim in claims {
        seen.extend(answer(claim).await.tasks.iter().map(|task| task.id));
    }
    assert_eq!(seen.len(), 8);
}

pub(crate) async fn no_wake_up_is_lost(fixture: Fixture) {
    for _ in 0..200 {
        let (one, other) = (fixture.clone(), fixture.clone());
        let claim = tokio::spawn(async move { one.claim(request(NOW).park(None)).await });
        let enqueue = tokio::spawn(async move { other.add(order("a")).await });
        let (claimed, id) = tokio::join!(claim, enqueue);
        let claimed = claimed.expect("the claim ends");
        assert_eq!(claimed[0].id, id.expect("the enqueue ends"));
    }
}

/// Claims tasks and releases them, unless it is stopped before: then it drops its claim.
async fn claim_until(fixture: Fixture, stopped: oneshot::Receiver<()>) {
    let claim = fixture.first.claim(request(NOW).limit(3).park(None));
    tokio::select! {
        found = claim => {
            for task in found.expect("claim").tasks {
                fixture.apply(release(&task), NOW).await;
            }
        }
        _ = stopped => {}
    }
}

async fn yield_times(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

pub(crate) async fn dropped_claims_leave_no_task_claimed(fixture: Fixture) {
    const TASKS: usize = 200;
    let mut rng = rng();
    let mut claims = JoinSet::new();
    let mut waiting = Vec::new();
    for _ in 0..TASKS {
        for _ in 0..rng.usize(1..4) {
            let (stop, stopped) = oneshot::channel();
            claims.spawn(claim_until(fixture.clone(), stopped));
            waiting.push(stop);
        }
        yield_times(rng.usize(0..6)).await;
        fixture.add(order("a")).await;
        // Some claims are woken now, and may be anywhere between their query and their answer.
        yield_times(rng.usize(0..4)).await;
        waiting.truncate(rng.usize(0..2));
    }
    drop(waiting);
    claims.join_all().await;
    assert_all_claimable(&fixture, TASKS).await;
}

/// Claims all tasks, and checks that no dropped claim has left a trace on them.
async fn assert_all_claimable(fixture: &Fixture, tasks: usize) {
    let mut seen = BTreeSet::new();
    while seen.len() < tasks {
        for task in fixture.claim(request(NOW).limit(7).park(None)).await {
            assert_eq!(
                task.attempts, 1,
                "the attempts of dropped claims are refunded"
            );
            assert!(seen.insert(task.id), "{} was claimed twice", task.id);
        }
    }
}
