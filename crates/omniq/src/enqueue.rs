//! An order becomes a task.

use omniq_core::storage::Enqueued;
use omniq_core::{NewTask, Order, Result, TaskId};

use crate::AsyncTaskQueue;
use crate::error::no_answer;
use crate::events::EventKind;

impl AsyncTaskQueue {
    /// Adds a task. While another unfinished task holds its unique key, that one's id is the answer.
    pub async fn enqueue<T>(&self, order: Order<T>) -> Result<TaskId> {
        let ids = self.enqueue_many([order]).await?;
        ids.first().copied().ok_or_else(no_answer)
    }

    /// Adds tasks: all, or none if there is an error.
    pub async fn enqueue_many<T>(
        &self,
        orders: impl IntoIterator<Item = Order<T>>,
    ) -> Result<Vec<TaskId>> {
        let defaults = self.settings().as_ref();
        let tasks: Result<Vec<_>> = orders
            .into_iter()
            .map(|order| order.into_new_task(defaults))
            .collect();
        self.enqueue_tasks(tasks?).await
    }

    async fn enqueue_tasks(&self, tasks: Vec<NewTask>) -> Result<Vec<TaskId>> {
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let told = self.events().anyone_listens() || tracing::enabled!(tracing::Level::DEBUG);
        let names: Vec<_> = tasks
            .iter()
            .filter(|_| told)
            .map(|task| (task.name.clone(), task.queue.clone()))
            .collect();
        let answers = self.storage().enqueue(tasks, self.clock().now()).await?;
        for ((name, queue), answer) in names.iter().zip(&answers) {
            if let Enqueued::New(id) = answer {
                tracing::debug!(task = %id, name, queue, "enqueued");
                self.events().tell(*id, name, queue, EventKind::Enqueued);
            }
        }
        Ok(answers.into_iter().map(Enqueued::id).collect())
    }
}
