//! A seat runs one task after the other; whatever happens becomes an outcome.

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
use crate::panic::{Caught, catch};
use crate::result_payload::{Ended, check_size};
use crate::seat_number::SeatNumber;
use crate::token::Token;

/// How long a handler that was told to stop may take before it is dropped.
const LONGEST_FAREWELL: Duration = Duration::from_secs(5);

/// Starts a seat for each waiting task, as far as there are any free.
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
        tokio::spawn(sit(seat, first, reports.clone()));
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
async fn sit(seat: Seat, first: Waiting, reports: Reports) {
    let pool = &seat.pool;
    let mut next = Some(first);
    while let Some(Waiting {
        execution,
        isolation,
        ..
    }) = next
    {
        let begin = clock::instant();
        let outcome = attempt(pool, &seat.number, &execution).await;
        pool.pace.handler_took(begin.elapsed());
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
    // Before it begins: a function that ends the process at once has been started, too.
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

/// The attempt begins. Says when its time is over: counted from before the start is told, so that time which
/// passes after that counts.
fn begin(pool: &Shared, execution: &Execution) -> Option<Duration> {
    let task = &execution.task;
    let ends = task.timeout.map(|limit| pool.clock().after(limit));
    let events = pool.omniq().queue().events();
    events.notify_of(task, EventKind::Started);
    tracing::debug!("started");
    tracing::trace!(target: "omniq::payload", arguments = %String::from_utf8_lossy(&task.payload.bytes));
    ends
}

async fn run_async(
    pool: &Shared,
    execution: &Execution,
    function: impl FnOnce() -> BoxFuture<'static, Ended>,
) -> Outcome {
    let ends = begin(pool, execution);
    let mut work = match catch(function) {
        Ok(future) => Caught::new(future),
        Err(panic) => return Outcome::Failed(panic),
    };
    // The work comes first: what is ready at once never touches the timers.
    tokio::select! {
        biased;
        ended = &mut work => to_outcome(pool, execution, ended),
        () = time_limit(pool, ends) => Outcome::Failed(timed_out(execution)),
        () = farewell(pool, execution) => Outcome::LeaseLost,
        () = pool.grace_over.fired() => Outcome::Released,
    }
}

/// A function that blocks can't be ended from outside, and settling its task while it runs would let a
/// second execution run beside it: so it is told to stop, and its seat waits for it, whatever happens.
async fn run_blocking(
    pool: &Shared,
    execution: &Execution,
    function: impl FnOnce() -> Ended + Send + 'static,
) -> Outcome {
    let begins = Arc::new(Token::default());
    let begun = Arc::clone(&begins);
    let mut running = tokio::task::spawn_blocking(move || {
        begins.fire();
        catch(function).and_then(|ended| ended)
    });
    let called_off = tokio::select! {
        biased;
        () = begun.fired() => None,
        () = execution.stop.fired() => Some(Outcome::LeaseLost),
        () = pool.grace_over.fired() => Some(Outcome::Released),
    };
    if let Some(outcome) = called_off {
        running.abort();
        tokio::select! {
            biased;
            // A thread was free just now: too late to call it off.
            () = begun.fired() => {}
            _ = &mut running => return outcome,
        }
    }
    let ends = begin(pool, execution);
    let (mut late, mut given_up) = (false, false);
    let ended = loop {
        tokio::select! {
            biased;
            ended = &mut running => break ended,
            () = time_limit(pool, ends), if !late => {
                late = true;
                let limit = execution.task.timeout;
                tracing::warn!(?limit, "the time is over, but a blocking handler can't be ended: waiting for it");
            }
            () = pool.grace_over.fired(), if !given_up => given_up = true,
        }
        execution.stop.fire();
    };
    match ended {
        // Panics are caught inside: the runtime ended before the function began.
        Err(_) => Outcome::Released,
        Ok(_) if late => Outcome::Failed(timed_out(execution)),
        Ok(_) if given_up => Outcome::Released,
        Ok(ended) => to_outcome(pool, execution, ended),
    }
}

fn to_outcome(pool: &Shared, execution: &Execution, ended: Ended) -> Outcome {
    let limit = pool.settings().max_payload();
    let fitting = ended.and_then(|result| check_size(&result, limit).map(|()| result));
    match fitting {
        Ok(result) => Outcome::Succeeded {
            result,
            then: execution.take_then(),
        },
        Err(error) => Outcome::Failed(error),
    }
}

/// The time limit of an attempt, if it has one.
async fn time_limit(pool: &Shared, ends: Option<Duration>) {
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
