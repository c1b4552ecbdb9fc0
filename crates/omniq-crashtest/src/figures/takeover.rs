//! Measures how long it takes until another process takes over the task of a killed worker.

use std::path::Path;
use std::time::Duration;

use omniq::call;

use crate::{Harness, HarnessResult, Mark, Process, worker};

const KILLS: usize = 100;
/// After this many of the kills, the task may run again, so that the second start is measured too.
const MEASURED_RESTARTS: usize = 20;
/// A worker is killed before it has run the task for this long, in milliseconds.
const MAX_RUN_MS: u64 = 500;

/// Starts two workers, kills the one that runs the task, and repeats this with a new worker.
pub(super) async fn print(program: &Path) -> HarnessResult<()> {
    let mut harness = Harness::new(program)?;
    harness.options.concurrency = 1;
    let omniq = harness.open().await?;
    let mut workers = vec![
        harness.start_ready_worker().await?,
        harness.start_ready_worker().await?,
    ];
    let mut random = fastrand::Rng::new();
    let (mut takeovers, mut restarts) = (Vec::new(), Vec::new());
    for kill in 0..KILLS {
        let handle = omniq.enqueue(call(worker::CANCEL_ME)).await?;
        let start = harness.wait_for_line(Mark::Start, handle.id()).await?;
        let victim = take_by_id(&mut workers, start.process)?;
        // A random time, because otherwise each kill would come just after the survivor's last check.
        tokio::time::sleep(Duration::from_millis(random.u64(..MAX_RUN_MS))).await;
        let death = victim.kill()?;
        let taken_over = harness.wait_for_line(Mark::TakenOver, handle.id()).await?;
        takeovers.push(taken_over.at - death.at);
        if kill < MEASURED_RESTARTS {
            let start = harness.wait_for_line(Mark::Start, handle.id()).await?;
            restarts.push(start.at - death.at);
        }
        handle.cancel().await?;
        workers.push(harness.start_ready_worker().await?);
    }
    super::row::print_row("kill -9 → taken over by another process", takeovers);
    let label =
        "kill -9 → its handler starts again (includes the wait of 0.75 to 1.25 s after a crash)";
    super::row::print_row(label, restarts);
    Ok(())
}

fn take_by_id(workers: &mut Vec<Process>, id: u32) -> HarnessResult<Process> {
    let index = workers.iter().position(|worker| worker.id() == id);
    Ok(workers.swap_remove(index.ok_or("a foreign process ran the task")?))
}
