//! Measures how fast an enqueue and a cancellation reach another process.

use std::path::Path;
use std::time::Duration;

use omniq::{AsyncOmniQ, call};

use crate::{Harness, HarnessResult, Mark, now_micros, worker};

const ENQUEUES: usize = 1_000;
const CANCELS: usize = 200;
const LIMIT: Duration = Duration::from_secs(10);

/// Sends one task at a time to an otherwise idle worker process.
pub(super) async fn print(program: &Path) -> HarnessResult<()> {
    let mut harness = Harness::new(program)?;
    let omniq = harness.open().await?;
    let worker = harness.start_ready_worker().await?;
    measure_enqueues(&mut harness, &omniq).await?;
    measure_cancels(&mut harness, &omniq).await?;
    worker.stop()
}

/// Measures from the call, and from its return. The handler may start before the call returns: that duration is
/// then negative.
async fn measure_enqueues(harness: &mut Harness, omniq: &AsyncOmniQ) -> HarnessResult<()> {
    let (mut from_call, mut from_return) = (Vec::new(), Vec::new());
    for _ in 0..ENQUEUES {
        let called = now_micros();
        let handle = omniq.enqueue(call(worker::WORK).arg(0)).await?;
        let returned = now_micros();
        let start = harness.wait_for_line(Mark::Start, handle.id()).await?;
        from_call.push(start.at - called);
        from_return.push(start.at - returned);
        handle.wait(LIMIT).await?;
    }
    super::row::print_row(
        "enqueue called → handler started in another process",
        from_call,
    );
    super::row::print_row(
        "enqueue returned → handler started in another process",
        from_return,
    );
    Ok(())
}

async fn measure_cancels(harness: &mut Harness, omniq: &AsyncOmniQ) -> HarnessResult<()> {
    let mut micros = Vec::new();
    for _ in 0..CANCELS {
        let handle = omniq.enqueue(call(worker::CANCEL_ME)).await?;
        harness.wait_for_line(Mark::Start, handle.id()).await?;
        handle.cancel().await?;
        let returned = now_micros();
        let fired = harness.wait_for_line(Mark::TokenFired, handle.id()).await?;
        micros.push(fired.at - returned);
    }
    super::row::print_row("cancel returned → token fired in another process", micros);
    Ok(())
}
