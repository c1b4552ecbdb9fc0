//! Questions about unique keys.

use omniq_core::storage::{Enqueued, Settled, TaskFilter};
use omniq_core::{Change, Task, TaskError, TaskStatus};

use crate::Fixture;
use crate::builders::{
    NOW, SECOND, at, cancel_change, failed_attempt, failure, order, order_with, release, request,
    requeue_change, success, with_key,
};

pub(crate) async fn the_holder_is_returned_until_it_has_finished(fixture: Fixture) {
    let id = fixture.add(with_key("a", "key")).await;
    assert_eq!(fixture.existing(with_key("a", "key")).await, id);
    let order = order_with("a", |new| {
        new.unique_key = Some("key".to_owned());
        new.queue = "another queue".to_owned();
    });
    assert_eq!(fixture.existing(order).await, id, "whatever its queue");
    let mut task = fixture.claim_one(NOW).await;
    assert_eq!(fixture.existing(with_key("a", "key")).await, id);
    fixture
        .apply(failed_attempt(&task, TaskError::retry_after(SECOND)), NOW)
        .await;
    assert_eq!(fixture.existing(with_key("a", "key")).await, id);
    let there = fixture
        .second
        .enqueue(vec![with_key("a", "key")], NOW)
        .await;
    assert_eq!(there.expect("enqueue"), [Enqueued::Existing(id)]);
    task = fixture.claim_one(at(1)).await;
    fixture.apply(success(&task, vec![]), at(1)).await;
    assert_ne!(fixture.add(with_key("a", "key")).await, id);
    assert_eq!(fixture.task(id).await.status, TaskStatus::Success);
}

pub(crate) async fn one_batch_adds_one_task_per_key(fixture: Fixture) {
    let batch = vec![
        with_key("a", "key"),
        order("a"),
        with_key("a", "key"),
        with_key("a", "other"),
    ];
    let answers = fixture.enqueue(batch, NOW).await;
    let [
        Enqueued::New(first),
        Enqueued::New(_),
        second,
        Enqueued::New(_),
    ] = answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(second, Enqueued::Existing(first));
    assert_eq!(fixture.claimed_ids(request(NOW).limit(9)).await.len(), 3);
}

pub(crate) async fn a_key_belongs_to_a_name(fixture: Fixture) {
    let keys = ["key", "KEY", "key ", "", "ke\0y"];
    for name in ["a", "b", "A"] {
        for key in keys {
            fixture.add(with_key(name, key)).await;
        }
    }
    // A bystander with another name holds this key.
    fixture.add(with_key("a", "bystander")).await;
    assert_eq!(fixture.claimed_ids(request(NOW).limit(99)).await.len(), 16);
}

pub(crate) async fn finishing_frees_the_key(fixture: Fixture) {
    let ends: [fn(&Task) -> Change; 3] = [
        |task| success(task, vec![]),
        failure,
        |task| {
            let mut change = cancel_change(task);
            change.keep_owner = false;
            change
        },
    ];
    for end in ends {
        let task = fixture.running(with_key("a", "key")).await;
        fixture.apply(end(&task), NOW).await;
    }
    let id = fixture.add(with_key("a", "key")).await;
    fixture
        .apply(cancel_change(&fixture.task(id).await), NOW)
        .await;
    fixture.add(with_key("a", "key")).await;
}

pub(crate) async fn a_cancelled_task_holds_its_key_until_it_is_released(fixture: Fixture) {
    let task = fixture.running(with_key("a", "key")).await;
    fixture.apply(cancel_change(&task), NOW).await;
    assert_eq!(fixture.existing(with_key("a", "key")).await, task.id);
    fixture.apply(Change::release_cancelled(&task), NOW).await;
    assert_ne!(fixture.add(with_key("a", "key")).await, task.id);
}

pub(crate) async fn a_requeue_conflicts_with_a_new_holder(fixture: Fixture) {
    let task = fixture.running(with_key("a", "key")).await;
    fixture.apply(failure(&task), NOW).await;
    let holder = fixture.running(with_key("a", "key")).await;
    let failed = fixture.task(task.id).await;
    let again = requeue_change(&failed);
    let conflict = Settled::Conflict { holder: holder.id };
    assert_eq!(fixture.settle(again.clone(), NOW).await, conflict);
    assert_eq!(fixture.task(task.id).await, failed);
    let answers = fixture
        .first
        .settle(vec![success(&holder, vec![]), again], NOW)
        .await;
    assert_eq!(
        answers.expect("settle"),
        [Settled::Applied; 2],
        "free within the batch"
    );
    assert_eq!(fixture.existing(with_key("a", "key")).await, task.id);
}

pub(crate) async fn a_follow_up_may_take_over_the_key(fixture: Fixture) {
    let task = fixture.running(with_key("a", "key")).await;
    fixture
        .apply(success(&task, vec![with_key("a", "key")]), NOW)
        .await;
    let next = fixture.claim_one(NOW).await;
    assert_ne!(next.id, task.id);
    assert_eq!(fixture.existing(with_key("a", "key")).await, next.id);
}

pub(crate) async fn a_follow_up_whose_key_is_held_is_left_out(fixture: Fixture) {
    let holder = fixture.add(with_key("b", "key")).await;
    let holder = fixture.task(holder).await;
    let task = fixture.add(order_with("a", |new| new.priority = 1)).await;
    let running = fixture.claim(request(NOW)).await.remove(0);
    assert_eq!(running.id, task);
    let then = vec![
        with_key("b", "key"),
        order("c"),
        with_key("b", "new"),
        with_key("b", "new"),
    ];
    fixture.apply(success(&running, then), NOW).await;
    assert_eq!(fixture.task(holder.id).await, holder);
    let of_b = fixture
        .first
        .list_tasks(TaskFilter::new().name("b"))
        .await
        .expect("list");
    let keys: Vec<_> = of_b
        .iter()
        .filter_map(|task| task.unique_key.as_deref())
        .collect();
    assert_eq!(keys, ["key", "new"]);
    assert_eq!(fixture.claim(request(NOW).limit(9)).await.len(), 3);

    let released = fixture.running(with_key("d", "key")).await;
    fixture.apply(release(&released), NOW).await;
    assert_eq!(fixture.existing(with_key("d", "key")).await, released.id);
}
