//! The answers of the service, as JSON.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use omniq::{Progress, Task, TaskId, TaskStatus};
use serde::Serialize;
use serde_json::json;

use crate::thumbnail::Thumbnail;

/// The state of a task.
#[derive(Serialize)]
pub struct Answer {
    id: TaskId,
    status: TaskStatus,
    attempts: u32,
    progress: Option<Progress>,
    result: Option<Thumbnail>,
    error: Option<String>,
}

impl Answer {
    pub fn about(task: &Task) -> omniq::Result<Self> {
        Ok(Self {
            id: task.id,
            status: task.status,
            attempts: task.attempts,
            progress: task.progress.clone(),
            result: task
                .result
                .as_ref()
                .map(|result| result.decode())
                .transpose()?,
            error: task.errors.last().map(ToString::to_string),
        })
    }
}

/// Why a request has no answer.
pub enum RequestError {
    NoSuchTask,
    Finished,
    Queue(omniq::Error),
}

impl From<omniq::Error> for RequestError {
    fn from(error: omniq::Error) -> Self {
        match error.is_not_found() {
            true => Self::NoSuchTask,
            false => Self::Queue(error),
        }
    }
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let (code, text) = match self {
            Self::NoSuchTask => (StatusCode::NOT_FOUND, "there is no such task".to_owned()),
            Self::Finished => (
                StatusCode::CONFLICT,
                "the task has already finished".to_owned(),
            ),
            Self::Queue(error) => {
                eprintln!("web_service: {error:?}");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the queue could not process the request".to_owned(),
                )
            }
        };
        (code, Json(json!({ "error": text }))).into_response()
    }
}
