use omniq_core::settle::{cancel, requeue};
use omniq_core::storage::{Enqueued, Settled, TaskFilter};
use omniq_core::{Change, Task, TaskError, TaskStatus};

use crate::Scene;
use crate::orders::{
    NOW, SECOND, at, broke, failure, keyed, order, order_with, release, success, wish,
};

pub(crate) async fn the_holder_answers_until_it_is_finished(scene: Scene) {
    let id = scene.add(keyed("a", "key")).await;
    assert_eq!(scene.existing(keyed("a", "key")).await, id);
    let order = order_with("a", |new| {
        new.unique_key = Some("key".to_owned());
        new.queue = "another queue".to_owned();
    });
    assert_eq!(scene.existing(order).await, id, "whatever its queue");
    let mut task = scene.claim_one(NOW).await;
    assert_eq!(scene.existing(keyed("a", "key")).await, id);
    scene
        .done(broke(&task, TaskError::retry_after(SECOND)), NOW)
        .await;
    assert_eq!(scene.existing(keyed("a", "key")).await, id);
    let there = scene.there.enqueue(vec![keyed("a", "key")], NOW).await;
    assert_eq!(there.expect("enqueue"), [Enqueued::Existing(id)]);
    task = scene.claim_one(at(1)).await;
    scene.done(success(&task, vec![]), at(1)).await;
    assert_ne!(scene.add(keyed("a", "key")).await, id);
    assert_eq!(scene.task(id).await.status, TaskStatus::Success);
}

pub(crate) async fn one_batch_makes_one_task(scene: Scene) {
    let batch = vec![
        keyed("a", "key"),
        order("a"),
        keyed("a", "key"),
        keyed("a", "other"),
    ];
    let answers = scene.enqueue(batch, NOW).await;
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
    assert_eq!(scene.claimed_ids(wish(NOW).limit(9)).await.len(), 3);
}

pub(crate) async fn a_key_belongs_to_a_name(scene: Scene) {
    let keys = ["key", "KEY", "key ", "", "ke\0y"];
    for name in ["a", "b", "A"] {
        for key in keys {
            scene.add(keyed(name, key)).await;
        }
    }
    // A bystander of another name holds this one.
    scene.add(keyed("a", "bystander")).await;
    assert_eq!(scene.claimed_ids(wish(NOW).limit(99)).await.len(), 16);
}

pub(crate) async fn every_end_frees_the_key(scene: Scene) {
    let ends: [fn(&Task) -> Change; 3] = [
        |task| success(task, vec![]),
        failure,
        |task| {
            let mut change = cancel(task).into_change().expect("it is running");
            change.keep_owner = false;
            change
        },
    ];
    for end in ends {
        let task = scene.running(keyed("a", "key")).await;
        scene.done(end(&task), NOW).await;
    }
    let id = scene.add(keyed("a", "key")).await;
    scene
        .done(
            cancel(&scene.task(id).await)
                .into_change()
                .expect("it is pending"),
            NOW,
        )
        .await;
    scene.add(keyed("a", "key")).await;
}

pub(crate) async fn a_cancelled_task_holds_until_it_is_let_go(scene: Scene) {
    let task = scene.running(keyed("a", "key")).await;
    scene
        .done(cancel(&task).into_change().expect("it is running"), NOW)
        .await;
    assert_eq!(scene.existing(keyed("a", "key")).await, task.id);
    scene.done(Change::release_cancelled(&task), NOW).await;
    assert_ne!(scene.add(keyed("a", "key")).await, task.id);
}

pub(crate) async fn a_requeue_meets_the_new_holder(scene: Scene) {
    let task = scene.running(keyed("a", "key")).await;
    scene.done(failure(&task), NOW).await;
    let holder = scene.running(keyed("a", "key")).await;
    let failed = scene.task(task.id).await;
    let again = requeue(&failed).into_change().expect("it failed");
    let conflict = Settled::Conflict { holder: holder.id };
    assert_eq!(scene.settle(again.clone(), NOW).await, conflict);
    assert_eq!(scene.task(task.id).await, failed);
    let answers = scene
        .here
        .settle(vec![success(&holder, vec![]), again], NOW)
        .await;
    assert_eq!(
        answers.expect("settle"),
        [Settled::Applied; 2],
        "free within the batch"
    );
    assert_eq!(scene.existing(keyed("a", "key")).await, task.id);
}

pub(crate) async fn a_follow_up_may_take_over_the_key(scene: Scene) {
    let task = scene.running(keyed("a", "key")).await;
    scene
        .done(success(&task, vec![keyed("a", "key")]), NOW)
        .await;
    let next = scene.claim_one(NOW).await;
    assert_ne!(next.id, task.id);
    assert_eq!(scene.existing(keyed("a", "key")).await, next.id);
}

pub(crate) async fn a_follow_up_that_meets_a_holder_is_left_out(scene: Scene) {
    let holder = scene.add(keyed("b", "key")).await;
    let holder = scene.task(holder).await;
    let task = scene.add(order_with("a", |new| new.priority = 1)).await;
    let running = scene.claim(wish(NOW)).await.remove(0);
    assert_eq!(running.id, task);
    let then = vec![
        keyed("b", "key"),
        order("c"),
        keyed("b", "new"),
        keyed("b", "new"),
    ];
    scene.done(success(&running, then), NOW).await;
    assert_eq!(scene.task(holder.id).await, holder);
    let of_b = scene
        .here
        .list_tasks(TaskFilter::new().name("b"))
        .await
        .expect("list");
    let keys: Vec<_> = of_b
        .iter()
        .filter_map(|task| task.unique_key.as_deref())
        .collect();
    assert_eq!(keys, ["key", "new"]);
    assert_eq!(scene.claim(wish(NOW).limit(9)).await.len(), 3);

    let released = scene.running(keyed("d", "key")).await;
    scene.done(release(&released), NOW).await;
    assert_eq!(scene.existing(keyed("d", "key")).await, released.id);
}
