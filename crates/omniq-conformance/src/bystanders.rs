use std::time::Duration;

use omniq_core::storage::{ClaimFilter, ClaimRequest, ProgressUpdate, Settled, TaskFilter};
use omniq_core::{Change, Due, NewTask, Storage, Task, TaskStatus, Timestamp};

use crate::builders::{NOW, cancel_change, failure, order_with, owner, success};

/// Far beyond what any question asks about, so that bystanders are never due, over or old.
pub(crate) const FAR: Duration = Duration::from_secs(1_000 * 24 * 60 * 60);

const BYSTANDER_QUEUE: &str = "elsewhere";

/// Tasks of every status that nothing in a question may change: a write without its guard moves them.
pub(crate) struct Bystanders(Vec<Task>);

impl Bystanders {
    pub(crate) async fn create(storage: &dyn Storage) -> Self {
        let far: Timestamp = NOW.after(FAR);
        let due = (0..4).map(|n| bystander(&format!("bystander {n}"), |_| {}));
        storage.enqueue(due.collect(), NOW).await.expect("enqueue");
        let request = ClaimRequest::new(
            owner(99),
            ClaimFilter::any().queues([BYSTANDER_QUEUE]),
            NOW,
            FAR,
        );
        let running = storage.claim(request.limit(4)).await.expect("claim").tasks;
        let [_, succeeds, fails, stops] = running.as_slice() else {
            panic!("four bystanders are due: {running:?}");
        };
        let note = |task: &Task| ProgressUpdate::new(task.lease(), 0.25, "far from here");
        let notes = running.iter().map(note).collect();
        assert_eq!(
            storage.record_progress(notes, NOW).await.expect("note"),
            [true; 4]
        );
        let mut cancelled = cancel_change(stops);
        cancelled.keep_owner = false;
        let changes: Vec<Change> = vec![success(succeeds, vec![]), failure(fails), cancelled];
        // They end far in the future, so that no purge of a question reaches them.
        let answers = storage.settle(changes, far).await.expect("settle");
        assert_eq!(answers, [Settled::Applied; 3]);

        let waiting = bystander("waiting", |order| {
            order.eta = Due::At(far);
            order.unique_key = Some("bystander".to_owned());
        });
        let held_back = bystander("held back", |order| order.hold_count = 1);
        storage
            .enqueue(vec![waiting, held_back], NOW)
            .await
            .expect("enqueue");
        Self::find(storage).await
    }

    async fn find(storage: &dyn Storage) -> Self {
        let filter = TaskFilter::new().queue(BYSTANDER_QUEUE);
        let tasks = storage.list_tasks(filter).await.expect("list_tasks");
        let statuses: Vec<_> = tasks.iter().map(|task| task.status).collect();
        use TaskStatus::{Cancelled, Failed, Pending, Running, Success};
        assert_eq!(
            statuses,
            [Running, Success, Failed, Cancelled, Pending, Pending]
        );
        Self(tasks)
    }

    pub(crate) async fn assert_unchanged(&self, storage: &dyn Storage) {
        let ids = self.0.iter().map(|task| task.id).collect();
        let now = storage.get(ids).await.expect("get");
        let then: Vec<_> = self.0.iter().cloned().map(Some).collect();
        assert_eq!(now, then, "a bystander was touched");
    }
}

fn bystander(name: &str, change: impl FnOnce(&mut NewTask)) -> NewTask {
    order_with(name, |order| {
        BYSTANDER_QUEUE.clone_into(&mut order.queue);
        order.headers.insert("stands".to_owned(), "by".to_owned());
        change(order);
    })
}
