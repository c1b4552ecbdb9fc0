use std::path::Path;
use std::time::Duration;

use omniq::call;

use crate::{Mark, Outcome, Process, Scene, worker};

const KILLS: usize = 100;
/// After so many of these kills the task is left to run again.
const SEEN_AGAIN: usize = 20;
/// The killed worker has run the task for less than this, in milliseconds.
const LONGEST_RUN: u64 = 500;

/// Two workers; the one that runs the task is killed.
pub(super) async fn print(program: &Path) -> Outcome<()> {
    let mut scene = Scene::new(program)?;
    scene.options.concurrency = 1;
    let omniq = scene.open().await?;
    let mut workers = vec![scene.ready_worker().await?, scene.ready_worker().await?];
    let mut dice = fastrand::Rng::new();
    let (mut taken_over, mut again) = (Vec::new(), Vec::new());
    for kill in 0..KILLS {
        let handle = omniq.enqueue(call(worker::CANCEL_ME)).await?;
        let start = scene.line(Mark::Start, handle.id()).await?;
        let victim = by_id(&mut workers, start.process)?;
        // Else each kill would come just after the survivor's last look.
        tokio::time::sleep(Duration::from_millis(dice.u64(..LONGEST_RUN))).await;
        let death = victim.kill()?;
        let over = scene.line(Mark::TakenOver, handle.id()).await?;
        taken_over.push(over.at - death.at);
        if kill < SEEN_AGAIN {
            let start = scene.line(Mark::Start, handle.id()).await?;
            again.push(start.at - death.at);
        }
        handle.cancel().await?;
        workers.push(scene.ready_worker().await?);
    }
    super::row("kill -9 → taken over by another process", taken_over);
    let text =
        "kill -9 → its handler starts again (the wait of 0.75 to 1.25 s after a crash included)";
    super::row(text, again);
    Ok(())
}

fn by_id(workers: &mut Vec<Process>, id: u32) -> Outcome<Process> {
    let at = workers.iter().position(|worker| worker.id() == id);
    Ok(workers.swap_remove(at.ok_or("a stranger ran it")?))
}
