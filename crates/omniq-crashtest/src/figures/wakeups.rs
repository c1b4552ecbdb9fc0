use std::path::Path;
use std::time::Duration;

use omniq::{AsyncOmniQ, call};

use crate::{Mark, Outcome, Scene, stamp, worker};

const ENQUEUES: usize = 1_000;
const CANCELS: usize = 200;
const LIMIT: Duration = Duration::from_secs(10);

/// One task at a time, to a worker process that has nothing else to do.
pub(super) async fn print(program: &Path) -> Outcome<()> {
    let mut scene = Scene::new(program)?;
    let omniq = scene.open().await?;
    let worker = scene.ready_worker().await?;
    enqueues(&mut scene, &omniq).await?;
    cancels(&mut scene, &omniq).await?;
    worker.stop()
}

/// The handler may start before the caller has its answer: then the span is negative.
async fn enqueues(scene: &mut Scene, omniq: &AsyncOmniQ) -> Outcome<()> {
    let (mut from_call, mut from_return) = (Vec::new(), Vec::new());
    for _ in 0..ENQUEUES {
        let called = stamp();
        let handle = omniq.enqueue(call(worker::NOTE).arg(0)).await?;
        let returned = stamp();
        let start = scene.line(Mark::Start, handle.id()).await?;
        from_call.push(start.at - called);
        from_return.push(start.at - returned);
        handle.wait(LIMIT).await?;
    }
    super::row("enqueue called → handler started elsewhere", from_call);
    super::row("enqueue returned → handler started elsewhere", from_return);
    Ok(())
}

async fn cancels(scene: &mut Scene, omniq: &AsyncOmniQ) -> Outcome<()> {
    let mut spans = Vec::new();
    for _ in 0..CANCELS {
        let handle = omniq.enqueue(call(worker::CANCEL_ME)).await?;
        scene.line(Mark::Start, handle.id()).await?;
        handle.cancel().await?;
        let returned = stamp();
        let fired = scene.line(Mark::TokenFired, handle.id()).await?;
        spans.push(fired.at - returned);
    }
    super::row("cancel returned → token fired elsewhere", spans);
    Ok(())
}
