//! The errors that only the front door gives; the others come from `omniq-core` and the storages.

use omniq_core::{Error, ErrorKind, Task, TaskId};

/// No task has this id.
pub(crate) fn not_found(id: TaskId) -> Error {
    let text = format!("there is no task {id}: it was never enqueued here, or it was purged");
    Error::new(ErrorKind::NotFound, text)
}

/// The requeue of a task was refused, because another one has what it needs.
pub(crate) fn conflict(task: &Task, holder: TaskId) -> Error {
    let held = match &task.unique_key {
        Some(key) => format!("its unique key {key:?} is held by"),
        None => "its series goes on with".to_owned(),
    };
    let text = format!(
        "the task {} can't be requeued: {held} the task {holder}",
        task.id
    );
    Error::new(ErrorKind::Conflict, text)
}

/// A storage broke its promise of one answer for each question.
pub(crate) fn no_answer() -> Error {
    Error::new(
        ErrorKind::Storage,
        "the storage gave fewer answers than it was asked for",
    )
}
