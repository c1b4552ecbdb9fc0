//! Takes due tasks: for the seats that are free first, and some ahead.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use omniq_core::storage::BoxFuture;
use omniq_core::{Outcome, Task};
use tokio::time::Instant;

use super::Shared;
use super::buffer::Waiting;
use super::poison_isolation::wait_for_turn;
use super::run::{Reports, fill_seats};
use super::settle::Report;
use crate::clock;
use crate::context::Execution;
use crate::poller::Poller;
use crate::storage_retry::StorageRetry;

/// What was claimed and has not started after this goes back.
const START_WITHIN: Duration = Duration::from_millis(50);

/// A claim under way; it gives its tools back.
type UnderWay = BoxFuture<'static, (Claimer, Vec<Task>)>;

/// What a claim needs.
struct Claimer {
    due: Poller,
    /// It outlives the claimer: a claim that is given up does not change the storage's condition.
    trouble: Arc<Mutex<StorageRetry>>,
}

impl Claimer {
    fn new(pool: &Shared, trouble: &Arc<Mutex<StorageRetry>>) -> Self {
        Self {
            due: pool.omniq().queue().due_tasks(Arc::clone(&pool.filter)),
            trouble: Arc::clone(trouble),
        }
    }

    fn trouble(&self) -> MutexGuard<'_, StorageRetry> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Claims until the pool stops, then gives back what has not started.
pub(super) async fn claim_loop(pool: Arc<Shared>, reports: Reports) {
    let _end = pool.claimed_last.at_the_end();
    let mut under_way: Option<UnderWay> = None;
    let trouble = Arc::new(Mutex::new(StorageRetry::new("claiming tasks")));
    let mut idle = Some(Claimer::new(&pool, &trouble));
    loop {
        fill_seats(&pool, &reports);
        if let Some(limit) = wish(&pool)
            && let Some(claimer) = idle.take()
        {
            pool.held.claim_begins();
            under_way = Some(Box::pin(claim(Arc::clone(&pool), claimer, limit)));
        }
        let give_back_at = pool.buffer.oldest().map(|claimed| claimed + START_WITHIN);
        tokio::select! {
            biased;
            () = pool.stopping.fired() => break,
            (claimer, tasks) = answer(&mut under_way) => {
                under_way = None;
                take_in(&pool, &claimer, tasks, &reports);
                idle = Some(claimer);
            }
            // Seats that are about to be free share the claim, and the claim shares the commit of what freed them.
            () = pool.seat_or_room.notified() => tokio::task::yield_now().await,
            () = sleep_until(give_back_at) => {
                pool.pace.stall();
                // A claim that is still parked would take them right back.
                under_way = None;
                idle = Some(Claimer::new(&pool, &trouble));
                let late = pool.buffer.take_late(START_WITHIN, clock::instant());
                give_back(&pool, late, &reports).await;
            }
        }
    }
    if let Some(claim) = under_way {
        let (claimer, tasks) = claim.await;
        take_in(&pool, &claimer, tasks, &reports);
    }
    give_back(&pool, pool.buffer.take_all(), &reports).await;
}

/// How many tasks to claim now; `None` while enough are waiting.
fn wish(pool: &Shared) -> Option<usize> {
    let (waiting, prefetch) = (pool.buffer.len(), pool.pace.prefetch());
    let room = pool.seats.available_permits() + prefetch;
    let enough = waiting > prefetch / 2;
    (!enough && room > waiting).then(|| room - waiting)
}

async fn claim(pool: Arc<Shared>, mut claimer: Claimer, limit: usize) -> (Claimer, Vec<Task>) {
    loop {
        match claimer.due.claim(limit, pool.stopping.fired()).await {
            Ok(tasks) => {
                if !tasks.is_empty() {
                    claimer.trouble().over();
                }
                return (claimer, tasks);
            }
            Err(error) => {
                let wait = claimer.trouble().failed(&error);
                let rested = tokio::time::timeout(wait, pool.stopping.fired()).await;
                if rested.is_ok() {
                    return (claimer, Vec::new());
                }
            }
        }
    }
}

async fn answer(under_way: &mut Option<UnderWay>) -> (Claimer, Vec<Task>) {
    match under_way {
        Some(claim) => claim.await,
        None => pending().await,
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => pending().await,
    }
}

fn take_in(pool: &Arc<Shared>, claimer: &Claimer, tasks: Vec<Task>, reports: &Reports) {
    if let Some(span) = claimer.due.round_trip() {
        pool.pace.claim_took(span);
    }
    let executions: Vec<_> = tasks
        .into_iter()
        .map(|task| Arc::new(Execution::new(task, Arc::clone(&pool.surroundings))))
        .collect();
    if pool.held.add(executions.iter()) {
        pool.look_again.notify_one();
    }
    let (marked, others): (Vec<_>, Vec<_>) =
        executions.into_iter().partition(|one| one.task.crashes > 0);
    for execution in marked {
        let waiting = wait_for_turn(Arc::clone(pool), execution, reports.clone());
        tokio::spawn(waiting);
    }
    pool.buffer.add(others, pool.pace.prefetch() / 2);
}

pub(super) async fn give_back(pool: &Shared, line: Vec<Waiting>, reports: &Reports) {
    if !line.is_empty() {
        let (count, concurrency) = (line.len(), pool.concurrency);
        tracing::debug!(count, concurrency, "giving back what could not start");
    }
    for Waiting {
        execution, turn, ..
    } in line
    {
        let report = Report {
            execution,
            outcome: Outcome::Released,
            turn,
        };
        if reports.send(report).await.is_err() {
            return;
        }
    }
}
