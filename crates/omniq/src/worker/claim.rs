//! Claims due tasks: for free seats first, and then some ahead.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use omniq_core::Task;
use omniq_core::storage::BoxFuture;
use tokio::time::Instant;

use super::poison_isolation::wait_for_isolation;
use super::report::{Reports, release};
use super::run::fill_seats;
use super::shared::Shared;
use crate::clock;
use crate::context::Execution;
use crate::poller::Poller;
use crate::storage_retry::StorageRetry;

/// A claimed task that has not started within this time is released.
const START_WITHIN: Duration = Duration::from_millis(50);

/// A claim in progress. It returns its claimer and the claimed tasks.
type RunningClaim = BoxFuture<'static, (Claimer, Vec<Task>)>;

/// What a claim needs: its poller, and the state of the storage's failures.
struct Claimer {
    poller: Poller,
    /// Shared with the next claimer, because an abandoned claim does not mean that the storage works again.
    retry: Arc<Mutex<StorageRetry>>,
}

impl Claimer {
    fn new(pool: &Shared, retry: &Arc<Mutex<StorageRetry>>) -> Self {
        Self {
            poller: pool.omniq().queue().poller(Arc::clone(&pool.filter)),
            retry: Arc::clone(retry),
        }
    }

    fn retry(&self) -> MutexGuard<'_, StorageRetry> {
        self.retry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Claims tasks until the pool stops, then releases those that have not started.
pub(super) async fn claim_loop(pool: Arc<Shared>, reports: Reports) {
    let _fire_on_exit = pool.claiming_ended.fire_on_drop();
    let mut running: Option<RunningClaim> = None;
    let retry = Arc::new(Mutex::new(StorageRetry::new("claiming tasks")));
    let mut idle = Some(Claimer::new(&pool, &retry));
    loop {
        fill_seats(&pool, &reports);
        if let Some(limit) = tasks_to_claim(&pool)
            && let Some(claimer) = idle.take()
        {
            pool.held.start_claim();
            running = Some(Box::pin(claim(Arc::clone(&pool), claimer, limit)));
        }
        let release_at = pool.buffer.oldest().map(|claimed| claimed + START_WITHIN);
        tokio::select! {
            biased;
            () = pool.stopping.fired() => break,
            (claimer, tasks) = answer_of(&mut running) => {
                running = None;
                accept(&pool, &claimer, tasks, &reports);
                idle = Some(claimer);
            }
            // Seats that become free at this moment share the claim, and the claim shares the commit of the outcomes
            // that freed them.
            () = pool.seat_or_room.notified() => tokio::task::yield_now().await,
            () = sleep_until(release_at) => {
                pool.pace.stall();
                // A parked claim would immediately claim the released tasks again.
                running = None;
                idle = Some(Claimer::new(&pool, &retry));
                let late = pool.buffer.take_late(START_WITHIN, clock::instant());
                release(&pool, late, &reports).await;
            }
        }
    }
    if let Some(claim) = running {
        let (claimer, tasks) = claim.await;
        accept(&pool, &claimer, tasks, &reports);
    }
    release(&pool, pool.buffer.take_all(), &reports).await;
}

/// Returns how many tasks to claim now; `None` if enough are waiting.
fn tasks_to_claim(pool: &Shared) -> Option<usize> {
    let (waiting, prefetch) = (pool.buffer.len(), pool.pace.prefetch());
    let room = pool.seats.available_permits() + prefetch;
    let enough = waiting > prefetch / 2;
    (!enough && room > waiting).then(|| room - waiting)
}

/// Claims tasks, and repeats the claim if the storage fails, until the pool stops.
async fn claim(pool: Arc<Shared>, mut claimer: Claimer, limit: usize) -> (Claimer, Vec<Task>) {
    loop {
        match claimer.poller.claim(limit, pool.stopping.fired()).await {
            Ok(tasks) => {
                if !tasks.is_empty() {
                    claimer.retry().succeeded();
                }
                return (claimer, tasks);
            }
            Err(error) => {
                let wait = claimer.retry().failed(&error);
                let stopped = tokio::time::timeout(wait, pool.stopping.fired()).await;
                if stopped.is_ok() {
                    return (claimer, Vec::new());
                }
            }
        }
    }
}

/// Waits for the claim in progress; without one, waits forever.
async fn answer_of(running: &mut Option<RunningClaim>) -> (Claimer, Vec<Task>) {
    match running {
        Some(claim) => claim.await,
        None => pending().await,
    }
}

/// Waits until this time; without one, waits forever.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => pending().await,
    }
}

/// Adds claimed tasks to the held leases, and to the buffer or, if marked, to those that wait for isolation.
fn accept(pool: &Arc<Shared>, claimer: &Claimer, tasks: Vec<Task>, reports: &Reports) {
    if let Some(span) = claimer.poller.round_trip() {
        pool.pace.claim_took(span);
    }
    let executions: Vec<_> = tasks
        .into_iter()
        .map(|task| Arc::new(Execution::new(task, Arc::clone(&pool.environment))))
        .collect();
    if pool.held.add(executions.iter()) {
        pool.check_leases.notify_one();
    }
    let (marked, others): (Vec<_>, Vec<_>) =
        executions.into_iter().partition(|one| one.task.crashes > 0);
    for execution in marked {
        let waiting = wait_for_isolation(Arc::clone(pool), execution, reports.clone());
        tokio::spawn(waiting);
    }
    pool.buffer.add(others, pool.pace.prefetch() / 2);
}
