use omniq_core::settle::{cancel, requeue};
use omniq_core::storage::{Settled, TaskFilter};
use omniq_core::{Change, Due, NewTask, Task, TaskId, TaskStatus};

use crate::Scene;
use crate::orders::{NOW, SECOND, at, failure, order_with, success};

fn member(series: Option<TaskId>) -> NewTask {
    order_with("a", |new| {
        new.interval = Some(SECOND * 10);
        new.series_id = series;
    })
}

async fn members(scene: &Scene) -> Vec<Task> {
    let filter = TaskFilter::new().name("a");
    scene.here.list_tasks(filter).await.expect("list_tasks")
}

pub(crate) async fn a_second_member_is_answered_with_the_live_one(scene: Scene) {
    let first = scene.add(member(None)).await;
    assert_eq!(scene.existing(member(Some(first))).await, first);
    scene.add(member(None)).await;
    let answers = scene.enqueue(vec![member(Some(first)); 2], NOW).await;
    assert!(answers.iter().all(|answer| answer.id() == first));
    scene
        .done(
            cancel(&scene.task(first).await)
                .into_change()
                .expect("it is pending"),
            NOW,
        )
        .await;
    let next = scene.add(member(Some(first))).await;
    assert_eq!(scene.existing(member(Some(first))).await, next);
}

pub(crate) async fn a_follow_up_beside_a_live_member_is_left_out(scene: Scene) {
    let first = scene.running(member(None)).await;
    let twice = vec![member(Some(first.id))];
    scene.done(success(&first, twice), NOW).await;
    let all = members(&scene).await;
    assert_eq!(all.len(), 2, "the handler's own order came first");
    assert_eq!((all[1].series_id, all[1].eta), (Some(first.id), NOW));
}

pub(crate) async fn a_requeue_meets_the_live_member(scene: Scene) {
    let first = scene.running(member(None)).await;
    scene.done(failure(&first), NOW).await;
    let next = members(&scene).await.remove(1);
    let failed = scene.task(first.id).await;
    let again = requeue(&failed).into_change().expect("it failed");
    let conflict = Settled::Conflict { holder: next.id };
    assert_eq!(scene.settle(again.clone(), NOW).await, conflict);
    assert_eq!(scene.task(first.id).await, failed);
    scene
        .done(cancel(&next).into_change().expect("it is pending"), NOW)
        .await;
    scene.done(again, NOW).await;
    assert_eq!(scene.claim_one(NOW).await.id, first.id);
}

pub(crate) async fn a_cancel_ends_it(scene: Scene) {
    let first = scene.running(member(None)).await;
    scene
        .done(cancel(&first).into_change().expect("it is running"), NOW)
        .await;
    let late = success(&first, vec![]);
    assert!(matches!(
        scene.settle(late, at(1)).await,
        Settled::Stale { .. }
    ));
    scene.done(Change::release_cancelled(&first), at(2)).await;
    let all = members(&scene).await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].status, TaskStatus::Cancelled);
    let later = order_with("a", |new| new.eta = Due::At(at(9)));
    scene.add(later).await;
}
