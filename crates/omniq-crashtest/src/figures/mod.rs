//! How long things take between real processes: prints a table.

mod idle;
mod takeover;
mod waits;
mod wakeups;
mod writers;

use std::path::PathBuf;

use omniq::Durability;

pub use writers::run as writer;

use crate::kills::{Plan, run};
use crate::{Options, Outcome};

/// Measures one part, or all, one after the other.
///
/// # Errors
///
/// If the harness fails, a kill broke a rule, or there is no such part.
pub async fn print(part: Option<&str>) -> Outcome<()> {
    let program = std::env::current_exe()?;
    let usual = Options::new(PathBuf::new(), PathBuf::new());
    println!(
        "SQLite, durability {:?}, lease {:?}, poll interval {:?}; separate processes, one machine",
        Durability::default(),
        usual.lease,
        usual.poll
    );
    match part {
        Some("takeover") => takeover::print(&program).await,
        Some("wakeups") => wakeups::print(&program).await,
        Some("waits") => waits::print(&program).await,
        Some("idle") => idle::print(&program).await,
        Some("writers") => writers::print(&program).await,
        Some("kills") => kills(&program).await,
        Some(other) => Err(format!("nothing measures {other}").into()),
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

async fn kills(program: &std::path::Path) -> Outcome<()> {
    let plan = Plan::from_env(200)?;
    let report = run(program, plan).await?;
    let verdict = report.verdict;
    println!(
        "{} kills of {} workers with concurrency 4, {} producers, lease 5s, seed {}: {:.1} s; {} tasks, \
         {} executions, {} cut short, {} tasks ran again; broken rules: {}",
        plan.kills,
        plan.workers,
        plan.producers,
        plan.seed,
        report.took.as_secs_f64(),
        verdict.tasks,
        verdict.runs,
        verdict.cut_short,
        verdict.again,
        verdict.broken.len()
    );
    match verdict.broken.is_empty() {
        true => Ok(()),
        false => Err(format!("{:#?}", verdict.broken).into()),
    }
}

/// Prints one row: spans in microseconds.
fn row(what: &str, mut spans: Vec<i64>) {
    spans.sort_unstable();
    let at = |part: f64| {
        let last = spans.len().saturating_sub(1);
        let place = (last as f64 * part).round() as usize;
        spans.get(place).copied().unwrap_or_default() as f64 / 1_000.0
    };
    println!(
        "{what}: p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms (n = {})",
        at(0.5),
        at(0.99),
        at(1.0),
        spans.len()
    );
}
