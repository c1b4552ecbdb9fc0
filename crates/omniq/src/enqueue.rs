//! Turns orders into tasks and enqueues them.

use omniq_core::storage::Enqueued;
use omniq_core::{NewTask, Order, Result, TaskId};

use crate::AsyncTaskQueue;
use crate::error::no_answer;
use crate::events::EventKind;

impl AsyncTaskQueue {
    /// Adds a task and returns its id. While another unfinished task of its name holds its unique key, nothing
    /// is added, and the id is that task's.
    ///
    /// # Errors
    ///
    /// As for [`AsyncOmniQ::enqueue`](crate::AsyncOmniQ::enqueue).
    pub async fn enqueue<T>(&self, order: Order<T>) -> Result<TaskId> {
        Ok(self.enqueue_one(order).await?.id())
    }

    /// Adds tasks atomically: all, or none if there is an error. Returns their ids in the order of the orders.
    ///
    /// # Errors
    ///
    /// As for [`AsyncOmniQ::enqueue`](crate::AsyncOmniQ::enqueue).
    pub async fn enqueue_many<T>(
        &self,
        orders: impl IntoIterator<Item = Order<T>>,
    ) -> Result<Vec<TaskId>> {
        let enqueued = self.enqueue_all(orders).await?;
        Ok(enqueued.into_iter().map(Enqueued::id).collect())
    }

    pub(crate) async fn enqueue_one<T>(&self, order: Order<T>) -> Result<Enqueued> {
        let enqueued = self.enqueue_all([order]).await?;
        enqueued.first().copied().ok_or_else(no_answer)
    }

    pub(crate) async fn enqueue_all<T>(
        &self,
        orders: impl IntoIterator<Item = Order<T>>,
    ) -> Result<Vec<Enqueued>> {
        let defaults = self.settings().as_ref();
        let tasks: Result<Vec<_>> = orders
            .into_iter()
            .map(|order| order.into_new_task(defaults))
            .collect();
        self.enqueue_tasks(tasks?).await
    }

    async fn enqueue_tasks(&self, tasks: Vec<NewTask>) -> Result<Vec<Enqueued>> {
        if tasks.is_empty() {
            return self.process().check().map(|()| Vec::new());
        }
        // Names are copied only if an event or a log line will show them.
        let mut names = Vec::new();
        if self.events().has_listeners() || tracing::enabled!(tracing::Level::DEBUG) {
            names.extend(tasks.iter().map(|t| (t.name.clone(), t.queue.clone())));
        }
        let answers = self.storage().enqueue(tasks, self.clock().now()).await?;
        for ((name, queue), answer) in names.iter().zip(&answers) {
            if let Enqueued::New(id) = answer {
                tracing::debug!(task = %id, name, queue, "enqueued");
                self.events().notify(*id, name, queue, EventKind::Enqueued);
            }
        }
        Ok(answers)
    }
}
