//! A seat runs one task after the other; whatever happens becomes an outcome.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use omniq_core::{Outcome, Payload, Result, TaskError};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Shared;
use super::settle::Report;
use crate::context::{Execution, TaskContext};
use crate::events::EventKind;
use crate::panic::{Caught, catch};
use crate::{clock, handler};

/// Where outcomes go.
pub(super) type Reports = mpsc::Sender<Report>;

/// How long a handler that was told to stop may take before it is dropped.
const LONGEST_FAREWELL: Duration = Duration::from_secs(5);

/// Claimed tasks that wait for a seat, in the order of their claims.
#[derive(Default)]
pub(super) struct Buffer(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    line: VecDeque<(Instant, Arc<Execution>)>,
    /// At this length it is time to claim again.
    low: usize,
}

impl Buffer {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().line.len()
    }

    pub(super) fn add(&self, executions: VecDeque<Arc<Execution>>, low: usize) {
        let now = clock::instant();
        let mut waiting = self.lock();
        waiting.low = low;
        waiting
            .line
            .extend(executions.into_iter().map(|one| (now, one)));
    }

    /// The next one, and whether it is time to claim again.
    fn next(&self) -> Option<(Arc<Execution>, bool)> {
        let mut waiting = self.lock();
        let (_, execution) = waiting.line.pop_front()?;
        let left = waiting.line.len();
        Some((execution, left == waiting.low || left == 0))
    }

    /// When the oldest was claimed.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.lock().line.front().map(|(claimed, _)| *claimed)
    }

    /// What was claimed at least so long before `now`.
    pub(super) fn take_late(&self, within: Duration, now: Instant) -> Vec<Arc<Execution>> {
        let mut waiting = self.lock();
        let is_late = |claimed: Instant| now.saturating_duration_since(claimed) >= within;
        let late = waiting
            .line
            .partition_point(|(claimed, _)| is_late(*claimed));
        waiting.line.drain(..late).map(|(_, one)| one).collect()
    }

    pub(super) fn take_all(&self) -> Vec<Arc<Execution>> {
        self.lock().line.drain(..).map(|(_, one)| one).collect()
    }
}

/// Starts a seat for each waiting task, as far as there are any free.
pub(super) fn fill_seats(pool: &Arc<Shared>, reports: &Reports) {
    while let Ok(permit) = pool.seats.try_acquire() {
        let Some((execution, _)) = pool.buffer.next() else {
            return;
        };
        permit.forget();
        let seat = Seat(Arc::clone(pool));
        tokio::spawn(sit(seat, execution, reports.clone()));
    }
}

/// Frees its place when it is dropped, however that comes about.
struct Seat(Arc<Shared>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.seats.add_permits(1);
        self.0.seat_or_room.notify_one();
    }
}

/// Runs tasks until none waits. The seat is free once the last outcome is handed on, so that its
/// settlement and the claim that fills the seat can share a commit.
async fn sit(seat: Seat, first: Arc<Execution>, reports: Reports) {
    let pool = &seat.0;
    let mut next = Some(first);
    while let Some(execution) = next {
        let begin = clock::instant();
        let outcome = attempt(pool, &execution).await;
        pool.pace.handler_took(begin.elapsed());
        if reports.send(Report { execution, outcome }).await.is_err() || pool.stopping.is_fired() {
            return;
        }
        next = pool.buffer.next().map(|(execution, low)| {
            if low {
                pool.seat_or_room.notify_one();
            }
            execution
        });
    }
}

/// One execution.
async fn attempt(pool: &Shared, execution: &Arc<Execution>) -> Outcome {
    let task = &execution.task;
    if execution.stop.is_fired() {
        return Outcome::LeaseLost;
    }
    let Some(function) = pool.handlers.get(&task.name) else {
        tracing::warn!(task = %task.id, name = task.name, "claimed a task without a handler");
        return Outcome::Released;
    };
    pool.omniq()
        .queue()
        .events()
        .tell_of(task, EventKind::Started);
    tracing::debug!(task = %task.id, name = task.name, attempt = task.attempts, "started");
    let mut work = match catch(|| function.call(TaskContext::new(Arc::clone(execution)))) {
        Ok(future) => Caught::new(future),
        Err(panic) => return Outcome::Broke(panic),
    };
    // The work comes first: what is ready at once never touches the timers.
    tokio::select! {
        biased;
        ended = &mut work => to_outcome(pool, execution, ended),
        () = over(task.timeout) => Outcome::Broke(timed_out(task.timeout)),
        () = farewell(pool, execution) => Outcome::LeaseLost,
        () = pool.grace_over.fired() => Outcome::Released,
    }
}

fn to_outcome(pool: &Shared, execution: &Execution, ended: Result<Payload, TaskError>) -> Outcome {
    let limit = pool.settings().max_payload();
    let fitting = ended.and_then(|result| handler::fits(&result, limit).map(|()| result));
    match fitting {
        Ok(result) => Outcome::Done {
            result,
            then: execution.take_then(),
        },
        Err(error) => Outcome::Broke(error),
    }
}

async fn over(limit: Option<Duration>) {
    match limit {
        Some(limit) => tokio::time::sleep(limit).await,
        None => std::future::pending().await,
    }
}

fn timed_out(limit: Option<Duration>) -> TaskError {
    let limit = limit.unwrap_or_default();
    TaskError::new(
        "timeout",
        format!("the attempt took longer than its limit of {limit:?}"),
    )
}

/// Over some time after the handler was told to stop.
async fn farewell(pool: &Shared, execution: &Execution) {
    execution.stop.fired().await;
    tokio::time::sleep(pool.grace.min(LONGEST_FAREWELL)).await;
}
