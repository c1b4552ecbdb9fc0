//! Questions about tasks that repeat.

use omniq_core::storage::{Settled, TaskFilter};
use omniq_core::{Change, Due, NewTask, Task, TaskId, TaskStatus};

use crate::Fixture;
use crate::builders::{
    NOW, SECOND, at, cancel_change, failure, order_with, requeue_change, success,
};

fn member(series: Option<TaskId>) -> NewTask {
    order_with("a", |new| {
        new.interval = Some(SECOND * 10);
        new.series_id = series;
    })
}

async fn members(fixture: &Fixture) -> Vec<Task> {
    let filter = TaskFilter::new().name("a");
    fixture.first.list_tasks(filter).await.expect("list_tasks")
}

pub(crate) async fn the_unfinished_member_is_returned_for_a_second_one(fixture: Fixture) {
    let first = fixture.add(member(None)).await;
    assert_eq!(fixture.existing(member(Some(first))).await, first);
    fixture.add(member(None)).await;
    let answers = fixture.enqueue(vec![member(Some(first)); 2], NOW).await;
    assert!(answers.iter().all(|answer| answer.id() == first));
    fixture
        .apply(cancel_change(&fixture.task(first).await), NOW)
        .await;
    let next = fixture.add(member(Some(first))).await;
    assert_eq!(fixture.existing(member(Some(first))).await, next);
}

pub(crate) async fn a_follow_up_beside_an_unfinished_member_is_left_out(fixture: Fixture) {
    let first = fixture.running(member(None)).await;
    let twice = vec![member(Some(first.id))];
    fixture.apply(success(&first, twice), NOW).await;
    let all = members(&fixture).await;
    assert_eq!(all.len(), 2, "the handler's own order came first");
    assert_eq!((all[1].series_id, all[1].eta), (Some(first.id), NOW));
}

pub(crate) async fn a_requeue_conflicts_with_the_unfinished_member(fixture: Fixture) {
    let first = fixture.running(member(None)).await;
    fixture.apply(failure(&first), NOW).await;
    let next = members(&fixture).await.remove(1);
    let failed = fixture.task(first.id).await;
    let again = requeue_change(&failed);
    let conflict = Settled::Conflict { holder: next.id };
    assert_eq!(fixture.settle(again.clone(), NOW).await, conflict);
    assert_eq!(fixture.task(first.id).await, failed);
    fixture.apply(cancel_change(&next), NOW).await;
    fixture.apply(again, NOW).await;
    assert_eq!(fixture.claim_one(NOW).await.id, first.id);
}

pub(crate) async fn a_cancel_ends_the_series(fixture: Fixture) {
    let first = fixture.running(member(None)).await;
    fixture.apply(cancel_change(&first), NOW).await;
    let late = success(&first, vec![]);
    assert!(matches!(
        fixture.settle(late, at(1)).await,
        Settled::Stale { .. }
    ));
    fixture
        .apply(Change::release_cancelled(&first), at(2))
        .await;
    let all = members(&fixture).await;
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].status, TaskStatus::Cancelled);
    let later = order_with("a", |new| new.eta = Due::At(at(9)));
    fixture.add(later).await;
}
