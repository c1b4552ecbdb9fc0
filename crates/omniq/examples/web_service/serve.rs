//! The process of the service: axum, with the queue as its state.

use std::net::SocketAddr;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use omniq::{AsyncOmniQ, TaskDef as _, TaskFilter, TaskId};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::Result;
use crate::answers::{Answer, RequestError};
use crate::thumbnail::thumbnail;

/// Serves until a shutdown signal, and answers the requests that it has already received.
pub async fn run(omniq: AsyncOmniQ, listen: SocketAddr) -> Result<()> {
    let routes = Router::new()
        .route("/", get(async || Html(include_str!("page.html"))))
        .route("/thumbnails", get(latest).post(order))
        .route("/thumbnails/{id}", get(show).delete(cancel))
        .with_state(omniq);
    let listener = TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, routes)
        .with_graceful_shutdown(shutdown_signal())
        .await?;
    println!("stopped");
    Ok(())
}

#[derive(Deserialize)]
struct ThumbnailRequest {
    picture: String,
    width: u32,
}

#[derive(Serialize)]
struct Ordered {
    id: TaskId,
}

async fn order(
    State(omniq): State<AsyncOmniQ>,
    Json(request): Json<ThumbnailRequest>,
) -> Result<(StatusCode, Json<Ordered>), RequestError> {
    let handle = omniq
        .enqueue(thumbnail::with(request.picture, request.width))
        .await?;
    Ok((StatusCode::ACCEPTED, Json(Ordered { id: handle.id() })))
}

async fn show(
    State(omniq): State<AsyncOmniQ>,
    Path(id): Path<TaskId>,
) -> Result<Json<Answer>, RequestError> {
    let task = omniq.get_task(id).await?.ok_or(RequestError::NoSuchTask)?;
    Ok(Json(Answer::about(&task)?))
}

/// Cancels a task that waits or runs. A finished task stays as it is.
async fn cancel(
    State(omniq): State<AsyncOmniQ>,
    Path(id): Path<TaskId>,
) -> Result<StatusCode, RequestError> {
    match omniq.cancel_task(id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(RequestError::Finished),
    }
}

/// Returns the last 20 orders, newest first.
async fn latest(State(omniq): State<AsyncOmniQ>) -> Result<Json<Vec<Answer>>, RequestError> {
    let mut filter = TaskFilter::new().name(thumbnail::NAME).limit(1_000);
    let mut tasks = Vec::new();
    loop {
        let page = omniq.list_tasks(filter.clone()).await?;
        let Some(last) = page.last() else { break };
        filter = filter.after(last.id);
        tasks.extend(page);
        tasks.drain(..tasks.len().saturating_sub(20));
    }
    let answers = tasks.iter().rev().map(Answer::about);
    Ok(Json(answers.collect::<omniq::Result<_>>()?))
}

/// Waits for Ctrl-C or for SIGTERM, which service managers send.
async fn shutdown_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = tokio::signal::ctrl_c() => return,
            }
        }
    }
    // An error means that there is no handler for the signal; the service then stops immediately.
    let _ = tokio::signal::ctrl_c().await;
}
