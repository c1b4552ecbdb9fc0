//! Runs tasks in seats, one after the other, and turns the way in which each attempt ends into an outcome.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::BoxFuture;
use omniq_core::{Outcome, TaskError};
use tracing::Instrument as _;

use super::buffer::Waiting;
use super::report::{Report, Reports};
use super::shared::Shared;
use crate::clock;
use crate::context::{Execution, TaskContext};
use crate::events::EventKind;
use crate::handler::Run;
use crate::panic::{CatchPanic, catch};
use crate::result_payload::{HandlerResult, check_size};
use crate::seat_number::SeatNumber;
use crate::token::Token;

/// The longest time that an async handler may take to stop before it is dropped.
const LONGEST_STOP: Duration = Duration::from_secs(5);

/// Starts a seat for each waiting task, as long as seats are free.
pub(super) fn fill_seats(pool: &Arc<Shared>, reports: &Reports) {
    while let Ok(permit) = pool.seats.try_acquire() {
        let Some((first, _)) = pool.buffer.next() else {
            return;
        };
        permit.forget();
        let seat = Seat {
            pool: Arc::clone(pool),
            number: SeatNumber::take(),
        };
        tokio::spawn(run_seat(seat, first, reports.clone()));
    }
}

/// A seat in use. Dropping it frees the seat, even after a panic.
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

/// Runs tasks until none is waiting. The seat becomes free after the last outcome is reported, so that the write of this
/// outcome and the claim for the free seat can share a commit.
async fn run_seat(seat: Seat, first: Waiting, reports: Reports) {
    let pool = &seat.pool;
    let mut next = Some(first);
    while let Some(Waiting {
        execution,
        isolation,
        ..
    }) = next
    {
        let started = clock::instant();
        let outcome = attempt(pool, &seat.number, &execution).await;
        pool.pace.handler_took(started.elapsed());
        if reports
            .send(Report {
                execution,
                outcome,
                isolation,
            })
            .await
            .is_err()
            || pool.stopping.is_fired()
        {
            return;
        }
        next = pool.buffer.next().map(|(next, low)| {
            if low {
                pool.seat_or_room.notify_one();
            }
            next
        });
    }
}

/// Runs one attempt of a task, and returns its outcome.
async fn attempt(pool: &Shared, seat: &SeatNumber, execution: &Arc<Execution>) -> Outcome {
    let task = &execution.task;
    if execution.stop.is_fired() {
        return Outcome::LeaseLost;
    }
    let Some(function) = pool.handlers.get(&task.name) else {
        tracing::warn!(task = %task.id, name = task.name, "claimed a task without a handler");
        return Outcome::Released;
    };
    // Marked before the handler starts, so that a handler that kills the process immediately counts as started.
    pool.omniq().queue().mark_started(seat, task);
    let span = tracing::error_span!("task", id = %task.id, name = task.name, queue = task.queue, attempt = task.attempts);
    let ctx = TaskContext::new(Arc::clone(execution));
    match function.run() {
        Run::Async(function) => {
            let running = run_async(pool, execution, || function(ctx));
            running.instrument(span).await
        }
        Run::Blocking(function) => {
            let function = Arc::clone(function);
            let inside = span.clone();
            let run = move || inside.in_scope(|| function(ctx));
            run_blocking(pool, execution, run).instrument(span).await
        }
    }
}

/// Announces the start of an attempt. Returns when its time limit expires. The limit is counted from before the
/// announcement, so that the time which a listener lets pass after it counts.
fn announce_start(pool: &Shared, execution: &Execution) -> Option<Duration> {
    let task = &execution.task;
    let expires = task.timeout.map(|limit| pool.clock().after(limit));
    let events = pool.omniq().queue().events();
    events.notify_of(task, EventKind::Started);
    tracing::debug!("started");
    tracing::trace!(target: "omniq::payload", arguments = %String::from_utf8_lossy(&task.payload.bytes));
    expires
}

/// Runs an async handler until it ends or has to be dropped.
async fn run_async(
    pool: &Shared,
    execution: &Execution,
    function: impl FnOnce() -> BoxFuture<'static, HandlerResult>,
) -> Outcome {
    let expires = announce_start(pool, execution);
    let mut work = match catch(function) {
        Ok(future) => CatchPanic::new(future),
        Err(panic) => return Outcome::Failed(panic),
    };
    // The handler is polled first: if it is ready immediately, no timer is registered.
    tokio::select! {
        biased;
        result = &mut work => to_outcome(pool, execution, result),
        () = time_limit(pool, expires) => Outcome::Failed(timed_out(execution)),
        () = stop_expired(pool, execution) => Outcome::LeaseLost,
        () = pool.grace_expired.fired() => Outcome::Released,
    }
}

/// Runs a blocking handler. It can't be ended from outside, and settling its task while it runs would allow a second
/// execution at the same time. So it is only asked to stop, and its seat waits until it returns.
async fn run_blocking(
    pool: &Shared,
    execution: &Execution,
    function: impl FnOnce() -> HandlerResult + Send + 'static,
) -> Outcome {
    let started = Arc::new(Token::default());
    let on_start = Arc::clone(&started);
    let mut running = tokio::task::spawn_blocking(move || {
        on_start.fire();
        catch(function).and_then(|result| result)
    });
    let stopped_before_start = tokio::select! {
        biased;
        () = started.fired() => None,
        () = execution.stop.fired() => Some(Outcome::LeaseLost),
        () = pool.grace_expired.fired() => Some(Outcome::Released),
    };
    if let Some(outcome) = stopped_before_start {
        running.abort();
        tokio::select! {
            biased;
            // A thread became free at this moment, so the handler has started all the same.
            () = started.fired() => {}
            _ = &mut running => return outcome,
        }
    }
    let expires = announce_start(pool, execution);
    let (mut limit_expired, mut grace_expired) = (false, false);
    let result = loop {
        tokio::select! {
            biased;
            result = &mut running => break result,
            () = time_limit(pool, expires), if !limit_expired => {
                limit_expired = true;
                let limit = execution.task.timeout;
                tracing::warn!(?limit, "the time limit has expired, but a blocking handler can't be ended: waiting until it returns");
            }
            () = pool.grace_expired.fired(), if !grace_expired => grace_expired = true,
        }
        execution.stop.fire();
    };
    match result {
        // Panics are caught inside, so this means that the runtime ended before the function started.
        Err(_) => Outcome::Released,
        Ok(_) if limit_expired => Outcome::Failed(timed_out(execution)),
        Ok(_) if grace_expired => Outcome::Released,
        Ok(result) => to_outcome(pool, execution, result),
    }
}

/// Turns what a handler returned into an outcome. A result that is too large becomes a failure.
fn to_outcome(pool: &Shared, execution: &Execution, result: HandlerResult) -> Outcome {
    let limit = pool.settings().max_payload();
    let checked = result.and_then(|result| check_size(&result, limit).map(|()| result));
    match checked {
        Ok(result) => Outcome::Succeeded {
            result,
            then: execution.take_follow_ups(),
        },
        Err(error) => Outcome::Failed(error),
    }
}

/// Waits until the time limit of an attempt expires; without a limit, waits forever.
async fn time_limit(pool: &Shared, expires: Option<Duration>) {
    match expires {
        Some(expires) => pool.clock().until(expires).await,
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

/// Waits until the handler was asked to stop and has had enough time to do so.
async fn stop_expired(pool: &Shared, execution: &Execution) {
    execution.stop.fired().await;
    tokio::time::sleep(pool.grace.min(LONGEST_STOP)).await;
}
