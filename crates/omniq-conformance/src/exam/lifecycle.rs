//! Questions about whole lifecycles of tasks.

use omniq_core::settle::{cancel, requeue, reschedule, take_over};
use omniq_core::storage::{Orphan, OrphanReason, TaskFilter};
use omniq_core::{Decision, Due, TaskError, TaskStatus};

use crate::Fixture;
use crate::builders::{
    NOW, SECOND, at, failed_attempt, failure, order, order_with, request, requeue_change, success,
};
use crate::fixture::stale;

pub(crate) async fn attempts_run_out(fixture: Fixture) {
    let id = fixture
        .add(order_with("a", |new| new.max_attempts = 3))
        .await;
    for round in 0_u32..3 {
        let now = at(100 * i64::from(round));
        let task = fixture.claim_one(now).await;
        assert_eq!(
            (task.attempts, task.lease),
            (round + 1, u64::from(round) + 1)
        );
        fixture
            .apply(failed_attempt(&task, TaskError::new("odd", "again")), now)
            .await;
    }
    let task = fixture.task(id).await;
    assert_eq!((task.status, task.attempts), (TaskStatus::Failed, 3));
    let counts: Vec<_> = task.errors.iter().map(|error| error.retry_count).collect();
    assert_eq!(counts, [0, 1, 2]);

    fixture.apply(requeue_change(&task), at(500)).await;
    let task = fixture.claim_one(at(500)).await;
    assert_eq!((task.attempts, task.lease), (1, 4));
    fixture.apply(success(&task, vec![]), at(501)).await;
    let outcome = fixture.task(id).await.outcome().expect("it is finished");
    assert_eq!(outcome.decode::<u64>().expect("a number"), 42);
    assert_eq!(outcome.finished_at, at(501));
}

pub(crate) async fn a_poison_task_fails_after_its_last_crash(fixture: Fixture) {
    let id = fixture.add(order("a")).await;
    for round in 1..=3 {
        let task = fixture.claim_one(at(1_000 * round)).await;
        assert_eq!(task.attempts, 1, "the attempt of a crash is refunded");
        let orphan = Orphan::new(task, OrphanReason::OwnerDead, true);
        let change = take_over(&orphan, 3, NOW, 0.5).expect("it is running");
        fixture.apply(change, at(1_000 * round)).await;
    }
    let task = fixture.task(id).await;
    assert_eq!(
        (task.status, task.attempts, task.crashes),
        (TaskStatus::Failed, 0, 3)
    );
    assert_eq!(
        task.errors.last().map(|e| e.error_type.as_str()),
        Some("crash")
    );
    assert_eq!(task.owner, None);
}

pub(crate) async fn a_rejected_request_changes_nothing(fixture: Fixture) {
    fixture.enqueue(vec![order("a"); 4], NOW).await;
    let tasks = fixture.claim(request(NOW).limit(3)).await;
    fixture.apply(success(&tasks[0], vec![]), NOW).await;
    fixture.apply(failure(&tasks[1]), NOW).await;
    for task in fixture
        .first
        .list_tasks(TaskFilter::new().name("a"))
        .await
        .expect("list")
    {
        let eta = Due::At(at(9));
        for change in [cancel(&task), requeue(&task), reschedule(&task, eta)]
            .into_iter()
            .filter_map(Decision::into_change)
        {
            let mut outdated = change;
            outdated.lease += 1;
            assert_eq!(fixture.settle(outdated, NOW).await, stale(&task));
            assert_eq!(fixture.task(task.id).await, task);
        }
    }
}

pub(crate) async fn an_interval_continues_as_a_new_task(fixture: Fixture) {
    let first = order_with("a", |new| {
        new.interval = Some(SECOND * 10);
        new.unique_key = Some("key".to_owned());
        new.priority = 4;
        new.headers.insert("trace".to_owned(), "1".to_owned());
    });
    let first = fixture.running(first).await;
    assert_eq!(first.series_id, Some(first.id));
    fixture.apply(success(&first, vec![]), at(5)).await;
    let second = fixture.claim_one(at(15)).await;
    assert_ne!(second.id, first.id);
    assert_eq!((second.eta, second.enqueued_at), (at(15), at(5)));
    assert_eq!(
        (second.series_id, second.interval),
        (Some(first.id), first.interval)
    );
    assert_eq!(
        (&second.unique_key, second.priority),
        (&first.unique_key, 4)
    );
    assert_eq!(
        (second.attempts, second.lease, &second.headers),
        (1, 1, &first.headers)
    );
    fixture.apply(failure(&second), at(20)).await;
    let third = fixture.claim_one(at(30)).await;
    assert_eq!(third.series_id, Some(first.id));
}
