//! Errors that only the client creates. The others come from `omniq-core` and the storages.

use omniq_core::{Error, ErrorKind, Task, TaskId};

/// Returns the error for an id that no task has.
pub(crate) fn not_found(id: TaskId) -> Error {
    let text = format!("there is no task {id}: it was never enqueued here, or it was purged");
    Error::new(ErrorKind::NotFound, text)
}

/// Returns the error for a requeue that was refused because another task holds the unique key or continues the series.
pub(crate) fn conflict(task: &Task, holder: TaskId) -> Error {
    let held = match &task.unique_key {
        Some(key) => format!("its unique key {key:?} is held by"),
        None => "its series continues with".to_owned(),
    };
    let text = format!(
        "the task {} can't be requeued: {held} the task {holder}",
        task.id
    );
    Error::new(ErrorKind::Conflict, text)
}

/// Returns the error for a storage that broke its promise of one answer for each item of a call.
pub(crate) fn no_answer() -> Error {
    Error::new(
        ErrorKind::Storage,
        "the storage returned fewer answers than were requested",
    )
}
