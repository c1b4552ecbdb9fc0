use std::future::Future;
use std::panic::Location;

use omniq_core::storage::TaskFilter;
use omniq_core::{NewTask, Order, Result, Task, TaskStatus};

use crate::AsyncOmniQ;

/// The unfinished task that this order asks for: of its name, in its queue, with the same arguments given in
/// the same way. Options such as the eta are not compared: look at the task that comes back.
///
/// # Panics
///
/// If there is none; with what there is of that name. If the order or the storage fails.
#[track_caller]
pub fn assert_enqueued<T>(
    omniq: &AsyncOmniQ,
    order: Order<T>,
) -> impl Future<Output = Task> + Send + use<T> {
    let (place, omniq) = (Location::caller(), omniq.clone());
    async move {
        match look(&omniq, order).await {
            Ok((_, Some(found), _)) => found,
            Ok((wanted, None, others)) => {
                panic!(
                    "{place}: no task is enqueued as {}{others}",
                    shown(&wanted.name, &wanted.queue, &wanted.payload.bytes)
                )
            }
            Err(error) => panic!("{place}: {error}"),
        }
    }
}

/// That no unfinished task is what this order asks for: see [`assert_enqueued`].
///
/// # Panics
///
/// If there is one. If the order or the storage fails.
#[track_caller]
pub fn assert_not_enqueued<T>(
    omniq: &AsyncOmniQ,
    order: Order<T>,
) -> impl Future<Output = ()> + Send + use<T> {
    let (place, omniq) = (Location::caller(), omniq.clone());
    async move {
        match look(&omniq, order).await {
            Ok((_, None, _)) => {}
            Ok((_, Some(task), _)) => panic!(
                "{place}: the task {} is enqueued as {} and is {}",
                task.id,
                shown(&task.name, &task.queue, &task.payload.bytes),
                task.status
            ),
            Err(error) => panic!("{place}: {error}"),
        }
    }
}

/// What the order asks for, the unfinished task that is like it, and a list of the others of its name.
async fn look<T>(omniq: &AsyncOmniQ, order: Order<T>) -> Result<(NewTask, Option<Task>, String)> {
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
                others += &shown(&task.name, &task.queue, &task.payload.bytes);
            }
            page = omniq.list_tasks(of_name().after(last)).await?;
        }
    }
    Ok((wanted, None, others))
}

fn shown(name: &str, queue: &str, payload: &[u8]) -> String {
    let arguments = String::from_utf8_lossy(payload);
    format!("{name:?} in the queue {queue:?} with {arguments}")
}
