//! A seat runs one task after the other; whatever happens becomes an outcome.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::BoxFuture;
use omniq_core::{Outcome, Result, TaskError};
use tokio::sync::{Mutex, MutexGuard, mpsc};
use tracing::Instrument as _;

use super::Shared;
use super::settle::Report;
use crate::context::{Execution, TaskContext};
use crate::events::EventKind;
use crate::handler::{Ended, Run};
use crate::panic::{Caught, catch};
use crate::seat_number::SeatNumber;
use crate::{clock, handler};

/// Kept while a marked task runs, and until its outcome is written.
pub(super) type Turn = MutexGuard<'static, ()>;

/// Where outcomes go.
pub(super) type Reports = mpsc::Sender<Report>;

/// How long a handler that was told to stop may take before it is dropped.
const LONGEST_FAREWELL: Duration = Duration::from_secs(5);

/// Starts a seat for each waiting task, as far as there are any free.
pub(super) fn fill_seats(pool: &Arc<Shared>, reports: &Reports) {
    while let Ok(permit) = pool.seats.try_acquire() {
        let Some((execution, _)) = pool.buffer.next() else {
            return;
        };
        permit.forget();
        let seat = Seat {
            pool: Arc::clone(pool),
            number: SeatNumber::take(),
        };
        tokio::spawn(sit(seat, execution, reports.clone()));
    }
}

/// Frees its place when it is dropped, however that comes about.
struct Seat {
    pool: Arc<Shared>,
    number: SeatNumber,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.pool.seats.add_permits(1);
        self.pool.seat_or_room.notify_one();
    }
}

/// Runs tasks until none waits. The seat is free once the last outcome is handed on, so that its
/// settlement and the claim that fills the seat can share a commit.
async fn sit(seat: Seat, first: Arc<Execution>, reports: Reports) {
    let pool = &seat.pool;
    let mut next = Some(first);
    while let Some(execution) = next {
        let begin = clock::instant();
        let (outcome, turn) = match turn(pool, &execution).await {
            Ok(turn) => (attempt(pool, &seat.number, &execution).await, turn),
            Err(outcome) => (outcome, None),
        };
        pool.pace.handler_took(begin.elapsed());
        if reports
            .send(Report {
                execution,
                outcome,
                turn,
            })
            .await
            .is_err()
            || pool.stopping.is_fired()
        {
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
async fn attempt(pool: &Shared, seat: &SeatNumber, execution: &Arc<Execution>) -> Outcome {
    let task = &execution.task;
    if execution.stop.is_fired() {
        return Outcome::LeaseLost;
    }
    let Some(function) = pool.handlers.get(&task.name) else {
        tracing::warn!(task = %task.id, name = task.name, "claimed a task without a handler");
        return Outcome::Released;
    };
    // From before the start is told, so that time which passes after that counts.
    let ends = task.timeout.map(|limit| pool.clock().after(limit));
    pool.omniq().queue().note_start(seat, task);
    pool.omniq()
        .queue()
        .events()
        .tell_of(task, EventKind::Started);
    let span = tracing::error_span!("task", id = %task.id, name = task.name, queue = task.queue, attempt = task.attempts);
    span.in_scope(|| tracing::debug!("started"));
    tracing::trace!(target: "omniq::payload", task = %task.id, arguments = %String::from_utf8_lossy(&task.payload.bytes));
    let ctx = TaskContext::new(Arc::clone(execution));
    match function.run() {
        Run::Async(function) => {
            let running = run_async(pool, execution, ends, || function(ctx));
            running.instrument(span).await
        }
        Run::Blocking(function) => {
            let function = Arc::clone(function);
            let run = move || span.in_scope(|| function(ctx));
            run_blocking(pool, execution, ends, run).await
        }
    }
}

async fn run_async(
    pool: &Shared,
    execution: &Execution,
    ends: Option<Duration>,
    function: impl FnOnce() -> BoxFuture<'static, Ended>,
) -> Outcome {
    let mut work = match catch(function) {
        Ok(future) => Caught::new(future),
        Err(panic) => return Outcome::Broke(panic),
    };
    // The work comes first: what is ready at once never touches the timers.
    tokio::select! {
        biased;
        ended = &mut work => to_outcome(pool, execution, ended),
        () = over(pool, ends) => Outcome::Broke(timed_out(execution)),
        () = farewell(pool, execution) => Outcome::LeaseLost,
        () = pool.grace_over.fired() => Outcome::Released,
    }
}

/// A function that blocks can't be ended from outside, and settling its task while it runs would let a
/// second execution run beside it: so its seat waits for it, whatever happens.
async fn run_blocking(
    pool: &Shared,
    execution: &Execution,
    ends: Option<Duration>,
    function: impl FnOnce() -> Ended + Send + 'static,
) -> Outcome {
    let mut running = tokio::task::spawn_blocking(|| catch(function).and_then(|ended| ended));
    let in_time = tokio::select! {
        biased;
        ended = &mut running => Some(ended),
        () = over(pool, ends) => None,
    };
    let late = in_time.is_none();
    let ended = match in_time {
        Some(ended) => ended,
        None => {
            let task = &execution.task;
            tracing::warn!(task = %task.id, name = task.name, limit = ?task.timeout, "the time is over, but a blocking handler can't be ended: waiting for it");
            execution.stop.fire();
            running.await
        }
    };
    match ended {
        Ok(_) if late => Outcome::Broke(timed_out(execution)),
        Ok(ended) => to_outcome(pool, execution, ended),
        // Panics are caught inside: the runtime ended before the function began.
        Err(_) => Outcome::Released,
    }
}

/// Tasks that an owner's death has marked run one at a time in a process. The next death then marks only
/// the one that caused it and neighbours that were not marked yet, each of them once. A turn lasts until
/// the outcome is written: a death before that would mark the task again.
async fn turn(pool: &Shared, execution: &Execution) -> Result<Option<Turn>, Outcome> {
    static MARKED: Mutex<()> = Mutex::const_new(());
    if execution.task.crashes == 0 {
        return Ok(None);
    }
    tokio::select! {
        turn = MARKED.lock() => Ok(Some(turn)),
        () = execution.stop.fired() => Err(Outcome::LeaseLost),
        () = pool.stopping.fired() => Err(Outcome::Released),
    }
}

fn to_outcome(pool: &Shared, execution: &Execution, ended: Ended) -> Outcome {
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

/// The time limit of an attempt, if it has one.
async fn over(pool: &Shared, ends: Option<Duration>) {
    match ends {
        Some(ends) => pool.clock().until(ends).await,
        None => std::future::pending().await,
    }
}

fn timed_out(execution: &Execution) -> TaskError {
    let limit = execution.task.timeout.unwrap_or_default();
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
