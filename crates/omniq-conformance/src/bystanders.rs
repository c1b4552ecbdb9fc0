//! Tasks that no question may change.

use std::time::Duration;

use omniq_core::storage::{ClaimFilter, ClaimRequest, ProgressUpdate, Settled, TaskFilter};
use omniq_core::{Change, Due, NewTask, Storage, Task, TaskStatus, Timestamp};

use crate::builders::{NOW, cancel_change, failure, order_with, owner, success};

/// Longer than any time in a question, so that bystanders never become due, expire or become old enough to purge.
pub(crate) const FAR: Duration = Duration::from_secs(1_000 * 24 * 60 * 60);

const BYSTANDER_QUEUE: &str = "elsewhere";

/// Tasks with every status that no question may change. A write whose guard is missing changes them.
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
        let [_, succeeding, failing, cancelling] = running.as_slice() else {
            panic!("four bystanders are due: {running:?}");
        };
        let update = |task: &Task| ProgressUpdate::new(task.lease(), 0.25, "bystanding");
        let updates = running.iter().map(update).collect();
        assert_eq!(
            storage
                .record_progress(updates, NOW)
                .await
                .expect("record_progress"),
            [true; 4]
        );
        let mut cancelled = cancel_change(cancelling);
        cancelled.keep_owner = false;
        let changes: Vec<Change> = vec![success(succeeding, vec![]), failure(failing), cancelled];
        // They finish far in the future, so that no purge of a question deletes them.
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
        let before: Vec<_> = self.0.iter().cloned().map(Some).collect();
        assert_eq!(now, before, "a bystander was changed");
    }
}

fn bystander(name: &str, change: impl FnOnce(&mut NewTask)) -> NewTask {
    order_with(name, |order| {
        BYSTANDER_QUEUE.clone_into(&mut order.queue);
        order
            .headers
            .insert("role".to_owned(), "bystander".to_owned());
        change(order);
    })
}
