//! Kills random workers under load, and judges the result.

use std::path::Path;
use std::time::{Duration, Instant};

use omniq::Backend;

use crate::judge::{Evidence, Verdict, all_tasks, judge};
use crate::{Death, Harness, HarnessResult, Mark, ProcessEvent, now_micros};

/// The parameters of a run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// The seed of the random number generator.
    pub seed: u64,
    /// The number of kills, one after the other.
    pub kills: u32,
    /// The number of workers that run at the same time.
    pub workers: usize,
    /// The number of producers.
    pub producers: usize,
    /// The storage under test.
    pub storage: Backend,
}

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    /// The verdict about every rule and every task.
    pub verdict: Verdict,
    /// How long the run took.
    pub took: Duration,
}

/// At most this many tasks end between two kills.
const MAX_ENDS_BETWEEN_KILLS: u32 = 40;

impl Plan {
    /// Returns a plan with this number of kills and a new seed. `OMNIQ_KILLS` and `OMNIQ_TEST_SEED` override them.
    ///
    /// # Errors
    ///
    /// Returns an error if a variable is not a number.
    pub fn from_env(kills: u32) -> HarnessResult<Self> {
        let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>());
        let seed = number("OMNIQ_TEST_SEED").transpose()?;
        let kills_override = number("OMNIQ_KILLS").transpose()?;
        Ok(Self {
            seed: seed.unwrap_or_else(|| now_micros().unsigned_abs()),
            kills: kills_override.map_or(Ok(kills), u32::try_from)?,
            workers: 4,
            producers: 2,
            storage: Backend::Sqlite,
        })
    }
}

/// Kills workers, lets the remaining tasks finish, and judges the log and the database.
///
/// # Errors
///
/// Returns an error if the harness fails. A broken rule is not an error; the report has it.
pub async fn run(program: &Path, plan: Plan) -> HarnessResult<Report> {
    let started = Instant::now();
    let mut harness = Harness::new(program)?;
    harness.options.storage = plan.storage;
    harness.options.lease = Duration::from_secs(5);
    // More than the number of kills, so that no task fails.
    harness.options.max_crashes = plan.kills + 1;
    let mut producers = Vec::new();
    for number in 0..plan.producers {
        harness.options.seed = plan.seed.wrapping_add(number as u64);
        producers.push(harness.start_producer()?);
    }
    let deaths = kill_workers(&mut harness, plan, &mut producers).await?;
    let omniq = harness.open().await?;
    let evidence = Evidence {
        lines: harness.lines()?,
        tasks: all_tasks(&omniq).await?,
        deaths,
        max_crashes: harness.options.max_crashes,
    };
    Ok(Report {
        verdict: judge(&evidence),
        took: started.elapsed(),
    })
}

/// Kills one random worker at a time, at any point of its work. Before each kill, waits until a random number of tasks
/// have ended.
async fn kill_workers(
    harness: &mut Harness,
    plan: Plan,
    producers: &mut Vec<crate::Process>,
) -> HarnessResult<Vec<Death>> {
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let mut workers = Vec::new();
    for _ in 0..plan.workers {
        workers.push(harness.start_worker()?);
    }
    let mut deaths = Vec::new();
    for _ in 0..plan.kills {
        let mut ends_to_wait_for = random.u32(..=MAX_ENDS_BETWEEN_KILLS);
        while ends_to_wait_for > 0 {
            let ended = matches!(harness.next_event().await?, ProcessEvent::Line(line) if line.mark == Mark::End);
            ends_to_wait_for -= u32::from(ended);
        }
        let victim = workers.swap_remove(random.usize(..workers.len()));
        deaths.push(victim.kill()?);
        workers.push(harness.start_worker()?);
    }
    // A producer exits when all its tasks have finished, so the workers must outlive it.
    producers.drain(..).try_for_each(crate::Process::stop)?;
    workers.into_iter().try_for_each(crate::Process::stop)?;
    Ok(deaths)
}
