//! Tasks that an owner's death has marked run one at a time in a process. The next death then marks only the one
//! that caused it and neighbours that were not marked yet, each of them once.

use std::sync::Arc;
use std::time::Duration;

use omniq_core::Outcome;
use tokio::sync::{Mutex, MutexGuard};

use super::Shared;
use super::claim::give_back;
use super::run::Reports;
use super::settle::Report;
use crate::context::Execution;

/// Kept while a marked task runs, and until its outcome is written: a death before that would mark it again.
pub(super) type Turn = MutexGuard<'static, ()>;

static TURNS: Mutex<()> = Mutex::const_new(());

/// A marked task that has no turn by then goes back, so that another process may run it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits for a marked task's turn, beside the seats so that it keeps none from others, and then puts it at the
/// head of the line.
pub(super) async fn wait_for_turn(pool: Arc<Shared>, execution: Arc<Execution>, reports: Reports) {
    let outcome = tokio::select! {
        turn = TURNS.lock() => {
            pool.buffer.add_first(execution, turn);
            pool.seat_or_room.notify_one();
            // The pool may have emptied its line just before.
            if pool.stopping.is_fired() {
                give_back(&pool, pool.buffer.take_all(), &reports).await;
            }
            return;
        }
        () = execution.stop.fired() => Outcome::LeaseLost,
        () = pool.stopping.fired() => Outcome::Released,
        () = tokio::time::sleep(PATIENCE) => Outcome::Released,
    };
    let report = Report {
        execution,
        outcome,
        turn: None,
    };
    // An error means that the pool has ended, and the lease with it.
    let _ = reports.send(report).await;
}
