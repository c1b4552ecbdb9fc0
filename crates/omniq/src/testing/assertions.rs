use std::future::Future;
use std::panic::Location;

use omniq_core::storage::TaskFilter;
use omniq_core::{NewTask, Order, Result, Task, TaskStatus};

use crate::AsyncOmniQ;

/// Asserts that an unfinished task matches an order, and returns the task.
///
/// It matches if it has the order's name, queue and arguments, positional and by name in the same way. Options such as the
/// eta are not compared: check them on the returned task.
///
/// # Panics
///
/// Panics if no task matches, with a list of the unfinished tasks of that name; also if the order is invalid or the storage
/// fails.
#[track_caller]
pub fn assert_enqueued<T>(
    omniq: &AsyncOmniQ,
    order: Order<T>,
) -> impl Future<Output = Task> + Send + use<T> {
    let (location, omniq) = (Location::caller(), omniq.clone());
    async move {
        match find(&omniq, order).await {
            Ok((_, Some(found), _)) => found,
            Ok((wanted, None, others)) => {
                panic!(
                    "{location}: no task is enqueued as {}{others}",
                    describe(&wanted.name, &wanted.queue, &wanted.payload.bytes)
                )
            }
            Err(error) => panic!("{location}: {}", error.chain()),
        }
    }
}

/// Asserts that no unfinished task matches an order: see [`assert_enqueued`].
///
/// # Panics
///
/// Panics if a task matches; also if the order is invalid or the storage fails.
#[track_caller]
pub fn assert_not_enqueued<T>(
    omniq: &AsyncOmniQ,
    order: Order<T>,
) -> impl Future<Output = ()> + Send + use<T> {
    let (location, omniq) = (Location::caller(), omniq.clone());
    async move {
        match find(&omniq, order).await {
            Ok((_, None, _)) => {}
            Ok((_, Some(task), _)) => panic!(
                "{location}: the task {} is enqueued as {} and is {}",
                task.id,
                describe(&task.name, &task.queue, &task.payload.bytes),
                task.status
            ),
            Err(error) => panic!("{location}: {}", error.chain()),
        }
    }
}

/// Returns the task that an order describes, the unfinished task that matches it, and a list of the others of its name.
async fn find<T>(omniq: &AsyncOmniQ, order: Order<T>) -> Result<(NewTask, Option<Task>, String)> {
    let wanted = order.into_new_task(omniq.settings().as_ref())?;
    let mut others = String::new();
    for status in [TaskStatus::Pending, TaskStatus::Running] {
        let of_name = || TaskFilter::new().name(wanted.name.as_str()).status(status);
        let mut page = omniq.list_tasks(of_name()).await?;
        while let Some(last) = page.last().map(|task| task.id) {
            for task in page {
                if task.queue == wanted.queue && task.payload == wanted.payload {
                    return Ok((wanted, Some(task), others));
                }
                others += "; there is ";
                others += &describe(&task.name, &task.queue, &task.payload.bytes);
            }
            page = omniq.list_tasks(of_name().after(last)).await?;
        }
    }
    Ok((wanted, None, others))
}

fn describe(name: &str, queue: &str, payload: &[u8]) -> String {
    let arguments = String::from_utf8_lossy(payload);
    format!("{name:?} in the queue {queue:?} with {arguments}")
}
