//! Workers are killed at random under load.

use std::path::Path;
use std::time::{Duration, Instant};

use omniq::Backend;

use crate::judge::{Evidence, Verdict, all_tasks, judge};
use crate::{Death, Heard, Mark, Outcome, Scene, stamp};

/// What is done.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What the dice are thrown with.
    pub seed: u64,
    /// How many workers are killed, one after the other.
    pub kills: u32,
    /// How many workers there are at a time.
    pub workers: usize,
    /// How many producers there are.
    pub producers: usize,
    /// Where tasks are kept.
    pub storage: Backend,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// Every rule, for every task.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
}

/// Between two kills, at most so many tasks end.
const MOST_BETWEEN: u32 = 40;

impl Plan {
    /// With `OMNIQ_TEST_SEED` and `OMNIQ_KILLS`, where they are set.
    ///
    /// # Errors
    ///
    /// If they are no numbers.
    pub fn from_env(kills: u32) -> Outcome<Self> {
        let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>());
        let seed = number("OMNIQ_TEST_SEED").transpose()?;
        let asked = number("OMNIQ_KILLS").transpose()?;
        Ok(Self {
            seed: seed.unwrap_or_else(|| stamp().unsigned_abs()),
            kills: asked.map_or(Ok(kills), u32::try_from)?,
            workers: 4,
            producers: 2,
            storage: Backend::Sqlite,
        })
    }
}

/// Kills, lets the rest finish, and judges.
///
/// # Errors
///
/// If the harness fails; a broken rule is in the report.
pub async fn run(program: &Path, plan: Plan) -> Outcome<Report> {
    let begin = Instant::now();
    let mut scene = Scene::new(program)?;
    scene.options.storage = plan.storage;
    scene.options.lease = Duration::from_secs(5);
    // Above the kills: nothing fails.
    scene.options.max_crashes = plan.kills + 1;
    let mut producers = Vec::new();
    for number in 0..plan.producers {
        scene.options.seed = plan.seed.wrapping_add(number as u64);
        producers.push(scene.producer()?);
    }
    let deaths = kill(&mut scene, plan, &mut producers).await?;
    let omniq = scene.open().await?;
    let evidence = Evidence {
        lines: scene.lines()?,
        tasks: all_tasks(&omniq).await?,
        deaths,
        max_crashes: scene.options.max_crashes,
    };
    Ok(Report {
        verdict: judge(&evidence),
        took: begin.elapsed(),
    })
}

/// Each kill waits for a random number of tasks to end, and takes a random worker, whatever it is doing.
async fn kill(
    scene: &mut Scene,
    plan: Plan,
    producers: &mut Vec<crate::Process>,
) -> Outcome<Vec<Death>> {
    let mut dice = fastrand::Rng::with_seed(plan.seed);
    let mut workers = Vec::new();
    for _ in 0..plan.workers {
        workers.push(scene.worker()?);
    }
    let mut deaths = Vec::new();
    for _ in 0..plan.kills {
        let mut ends = dice.u32(..=MOST_BETWEEN);
        while ends > 0 {
            let ended = matches!(scene.hear().await?, Heard::Line(line) if line.mark == Mark::End);
            ends -= u32::from(ended);
        }
        let victim = workers.swap_remove(dice.usize(..workers.len()));
        deaths.push(victim.kill()?);
        workers.push(scene.worker()?);
    }
    // They wait for what they ordered.
    producers.drain(..).try_for_each(crate::Process::stop)?;
    workers.into_iter().try_for_each(crate::Process::stop)?;
    Ok(deaths)
}
