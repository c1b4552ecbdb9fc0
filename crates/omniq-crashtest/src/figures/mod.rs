//! Measures latencies and costs between real processes, and prints them as a table.

mod idle;
mod row;
mod takeover;
mod waits;
mod wakeups;
mod writers;

use std::path::PathBuf;

use omniq::Durability;

pub use writers::run as writer;

use crate::kills::{Plan, run};
use crate::{HarnessResult, Options};

/// Measures one part, or all parts one after the other, and prints the results.
///
/// # Errors
///
/// Returns an error if the harness fails, if a kill broke a rule, or if there is no such part.
pub async fn print(part: Option<&str>) -> HarnessResult<()> {
    let program = std::env::current_exe()?;
    let defaults = Options::new(PathBuf::new(), PathBuf::new());
    println!(
        "SQLite, durability {:?}, lease {:?}, poll interval {:?}; separate processes, one machine",
        Durability::default(),
        defaults.lease,
        defaults.poll
    );
    match part {
        Some("takeover") => takeover::print(&program).await,
        Some("wakeups") => wakeups::print(&program).await,
        Some("waits") => waits::print(&program).await,
        Some("idle") => idle::print(&program).await,
        Some("writers") => writers::print(&program).await,
        Some("kills") => kills(&program).await,
        Some(other) => {
            Err(format!("there is no part {other}; see the usage of omniq-crashtest").into())
        }
        None => {
            takeover::print(&program).await?;
            wakeups::print(&program).await?;
            waits::print(&program).await?;
            idle::print(&program).await?;
            writers::print(&program).await?;
            kills(&program).await
        }
    }
}

async fn kills(program: &std::path::Path) -> HarnessResult<()> {
    let plan = Plan::from_env(200)?;
    let report = run(program, plan).await?;
    let verdict = report.verdict;
    println!(
        "{} kills of {} workers with concurrency 4, {} producers, lease 5 s, seed {}: {:.1} s; {} tasks, \
         {} executions, {} cut short, {} tasks ran again; broken rules: {}",
        plan.kills,
        plan.workers,
        plan.producers,
        plan.seed,
        report.took.as_secs_f64(),
        verdict.tasks,
        verdict.executions,
        verdict.cut_short,
        verdict.ran_again,
        verdict.broken.len()
    );
    match verdict.broken.is_empty() {
        true => Ok(()),
        false => Err(format!("{:#?}", verdict.broken).into()),
    }
}
