use std::collections::BTreeSet;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use omniq_core::settle::requeue;
use omniq_core::storage::{BoxFuture, ClaimFilter, ClaimRequest, Claimed, Parked};
use omniq_core::{Result, TaskError};

use tokio::sync::oneshot;
use tokio::task::{JoinSet, yield_now};

use crate::Scene;
use crate::orders::{
    HERE, NOW, at, broke, due_at, failure, order, order_with, release, success, wish, wish_for,
};
use crate::seed::rng;

type Claiming<'a> = BoxFuture<'a, Result<Claimed>>;

/// A claim that was begun, and found nothing.
async fn park(scene: &Scene, request: ClaimRequest) -> Claiming<'_> {
    let next_due = request.park.and_then(|parked: Parked| parked.next_due);
    let mut claim = scene.here.claim(request.park(next_due));
    assert!(waits(&mut claim).await);
    claim
}

/// The answer to a write that was asked for later shows that the claim has looked.
async fn park_for_sure(scene: &Scene, request: ClaimRequest) -> Claiming<'_> {
    let mut claim = park(scene, request).await;
    let elsewhere = order_with("barrier", |order| order.queue = "elsewhere".to_owned());
    scene.enqueue(vec![elsewhere], NOW).await;
    assert!(waits(&mut claim).await);
    claim
}

async fn waits(claim: &mut Claiming<'_>) -> bool {
    poll_fn(|context| Poll::Ready(claim.as_mut().poll(context).is_pending())).await
}

async fn answer(claim: Claiming<'_>) -> Claimed {
    claim.await.expect("claim")
}

pub(crate) async fn work_is_taken_at_once(scene: Scene) {
    let id = scene.add(order("a")).await;
    assert_eq!(scene.claimed_ids(wish(NOW).park(None)).await, [id]);
    scene.add(due_at("a", at(9))).await;
    let found = scene.here.claim(wish(NOW).park(None)).await.expect("claim");
    assert_eq!((found.tasks.len(), found.next_due), (0, Some(at(9))));
    let empty = scene.here.claim(wish(NOW).limit(0).park(None)).await;
    assert_eq!(empty.expect("claim"), Claimed::default());
}

pub(crate) async fn an_enqueue_wakes_it(scene: Scene) {
    for now in [at(5), at(-5)] {
        let claim = park(&scene, wish(NOW)).await;
        let id = scene.enqueue(vec![order("a"); 3], now).await[0].id();
        let found = answer(claim).await;
        assert_eq!(found.tasks.len(), 1, "its limit");
        assert_eq!(found.tasks[0].id, id);
        assert_eq!(found.tasks[0].started_at, Some(now));
        assert_eq!(scene.claim(wish(NOW).limit(9)).await.len(), 2);
    }
}

pub(crate) async fn it_is_tried_again_with_the_time_of_the_write(scene: Scene) {
    let id = scene.add(due_at("a", at(7))).await;
    let mut claim = park(&scene, wish(NOW).park(Some(at(7)))).await;
    let found = loop {
        tokio::select! {
            biased;
            found = &mut claim => break found.expect("claim"),
            _ = scene.enqueue(vec![due_at("a", at(99))], at(8)) => {}
        }
    };
    assert_eq!(found.tasks.len(), 1, "it came due by the time of the write");
    assert_eq!(
        (found.tasks[0].id, found.tasks[0].started_at),
        (id, Some(at(8)))
    );
}

pub(crate) async fn its_own_time_is_not_used_again(scene: Scene) {
    for elsewhere in [false, true] {
        // The clock is set back after the claim was parked …
        let claim = park_for_sure(&scene, wish(NOW)).await;
        let storage = [&scene.here, &scene.there][usize::from(elsewhere)];
        let early = storage.enqueue(vec![due_at("a", at(-30))], at(-60)).await;
        let found = answer(claim).await;
        assert_eq!((found.tasks.len(), found.next_due), (0, Some(at(-30))));
        let early = early.expect("enqueue")[0].id();
        assert_eq!(scene.claimed_ids(wish(at(-30))).await, [early]);
        // … or it is woken long after that.
        let claim = park_for_sure(&scene, wish(NOW)).await;
        let late = storage.enqueue(vec![order("a")], at(500)).await;
        let mut found = answer(claim).await.tasks;
        if found.is_empty() {
            found = scene.claim(wish(at(500))).await;
        }
        assert_eq!(found[0].id, late.expect("enqueue")[0].id());
        assert_eq!(found[0].started_at, Some(at(500)));
    }
}

pub(crate) async fn a_retry_wakes_it(scene: Scene) {
    let task = scene.running(order("a")).await;
    let claim = park(&scene, wish(NOW)).await;
    let mut change = broke(&task, TaskError::retry_after(Duration::ZERO));
    scene.done(change.clone(), at(3)).await;
    let again = answer(claim).await.tasks.remove(0);
    assert_eq!((again.id, again.attempts), (task.id, 2));

    let claim = park(&scene, wish(NOW)).await;
    change = release(&again);
    scene.done(change, at(4)).await;
    let again = answer(claim).await.tasks.remove(0);
    assert_eq!((again.id, again.attempts, again.lease), (task.id, 2, 3));
}

pub(crate) async fn a_requeue_wakes_it(scene: Scene) {
    let task = scene.running(order("a")).await;
    scene.done(failure(&task), NOW).await;
    let claim = park(&scene, wish(NOW)).await;
    let failed = scene.task(task.id).await;
    scene
        .done(
            requeue(&failed)
                .into_change()
                .expect("a failed task may be requeued"),
            NOW,
        )
        .await;
    assert_eq!(answer(claim).await.tasks[0].id, task.id);
}

pub(crate) async fn a_follow_up_wakes_it(scene: Scene) {
    let task = scene.running(order("a")).await;
    let claim = park(&scene, wish(NOW)).await;
    scene.done(success(&task, vec![order("b")]), NOW).await;
    assert_eq!(answer(claim).await.tasks[0].name, "b");
}

pub(crate) async fn an_earlier_eta_is_news(scene: Scene) {
    scene.add(due_at("a", at(100))).await;
    let claim = park(&scene, wish(NOW).park(Some(at(100)))).await;
    scene.add(due_at("a", at(60))).await;
    let found = answer(claim).await;
    assert_eq!((found.tasks.len(), found.next_due), (0, Some(at(60))));

    let mut claim = park(&scene, wish(NOW).park(Some(at(60)))).await;
    scene.add(due_at("a", at(60))).await;
    scene.add(due_at("a", at(61))).await;
    assert!(waits(&mut claim).await, "nothing of that is sooner");
    let id = scene.add(order("a")).await;
    assert_eq!(answer(claim).await.tasks[0].id, id);
}

pub(crate) async fn work_for_others_does_not_answer_it(scene: Scene) {
    let ours = || wish_for(ClaimFilter::any().queues([HERE]).names(["ours"]), NOW);
    let mut claim = park(&scene, ours()).await;
    let foreign = scene.add(order("foreign")).await;
    scene.add(due_at("foreign", at(1))).await;
    assert!(waits(&mut claim).await);
    let id = scene.add(order("ours")).await;
    let found = answer(claim).await;
    assert_eq!((found.tasks[0].id, found.tasks.len()), (id, 1));
    assert_eq!(scene.task(foreign).await.lease, 0);
}

pub(crate) async fn each_wakes_for_its_own(scene: Scene) {
    let names: Vec<String> = (0..8).map(|n| format!("task {n}")).collect();
    let mut claims = Vec::new();
    for name in &names {
        let filter = ClaimFilter::any().names([name.as_str()]);
        claims.push(park(&scene, wish_for(filter, NOW)).await);
    }
    scene
        .enqueue(names.iter().rev().map(|n| order(n)).collect(), NOW)
        .await;
    for (claim, name) in claims.into_iter().zip(&names) {
        let found = answer(claim).await;
        assert_eq!((found.tasks.len(), &found.tasks[0].name), (1, name));
    }
    // Several that take the same: each gets one.
    let mut claims = Vec::new();
    for _ in 0..8 {
        claims.push(park(&scene, wish(NOW)).await);
    }
    let mut seen = BTreeSet::new();
    for _ in 0..8 {
        scene.add(order("a")).await;
    }
    for claim in claims {
        seen.extend(answer(claim).await.tasks.iter().map(|task| task.id));
    }
    assert_eq!(seen.len(), 8);
}

pub(crate) async fn no_wake_up_is_lost(scene: Scene) {
    for _ in 0..200 {
        let (one, other) = (scene.clone(), scene.clone());
        let claim = tokio::spawn(async move { one.claim(wish(NOW).park(None)).await });
        let enqueue = tokio::spawn(async move { other.add(order("a")).await });
        let (claimed, id) = tokio::join!(claim, enqueue);
        let claimed = claimed.expect("the claim ends");
        assert_eq!(claimed[0].id, id.expect("the enqueue ends"));
    }
}

/// Gets tasks and gives them back, unless it is told before that to drop its claim.
async fn claim_until(scene: Scene, told: oneshot::Receiver<()>) {
    let claim = scene.here.claim(wish(NOW).limit(3).park(None));
    tokio::select! {
        found = claim => {
            for task in found.expect("claim").tasks {
                scene.done(release(&task), NOW).await;
            }
        }
        _ = told => {}
    }
}

async fn give_way(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

pub(crate) async fn dropped_claims_strand_nothing(scene: Scene) {
    const TASKS: usize = 200;
    let mut rng = rng();
    let mut claims = JoinSet::new();
    let mut waiting = Vec::new();
    for _ in 0..TASKS {
        for _ in 0..rng.usize(1..4) {
            let (tell, told) = oneshot::channel();
            claims.spawn(claim_until(scene.clone(), told));
            waiting.push(tell);
        }
        give_way(rng.usize(0..6)).await;
        scene.add(order("a")).await;
        // Now some have been woken, and may be anywhere on their way to an answer.
        give_way(rng.usize(0..4)).await;
        waiting.truncate(rng.usize(0..2));
    }
    drop(waiting);
    claims.join_all().await;
    all_are_claimed_fresh(&scene, TASKS).await;
}

/// Every task can be claimed, as if nobody had claimed it before.
async fn all_are_claimed_fresh(scene: &Scene, tasks: usize) {
    let mut seen = BTreeSet::new();
    while seen.len() < tasks {
        for task in scene.claim(wish(NOW).limit(7).park(None)).await {
            assert_eq!(
                task.attempts, 1,
                "the attempts of dropped claims are refunded"
            );
            assert!(seen.insert(task.id), "{} was claimed twice", task.id);
        }
    }
}
