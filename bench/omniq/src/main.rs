//! OmniQ through its front door, as a user would use it.
//!
//! | where | what |
//! | --- | --- |
//! | `queue` | settings, tasks, pool |
//! | `processes`, `workers`, `child` | workers in processes of their own: `--processes`, `--across` |
//! | `day` | a day of work and purging, on a clock that is moved |
//! | `trouble` | what the library warned of, which must be nothing |

mod child;
mod day;
mod processes;
mod queue;
mod trouble;
mod workers;

use std::process::ExitCode;

use bench_harness::{Contender as _, Options, Outcome, Result, Workload, finish, workload};

use crate::queue::Queue;
use crate::trouble::Troubles;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::read();
    let troubles = Troubles::listen();
    if let Some(folder) = &options.child_of {
        return child::main(&options, folder, &troubles).await;
    }
    let outcome = run(&options, &troubles).await;
    finish::<Queue>(options, outcome)
}

async fn run(options: &Options, troubles: &Troubles) -> Result<Outcome> {
    Queue::check(options)?;
    let folder = options.folder()?;
    let outcome = match options.workload {
        Workload::Day => day::run(options, folder.path()).await?,
        Workload::W3 if options.processes > 1 => processes::w3(options, folder.path()).await?,
        Workload::W4 if options.across => processes::w4(options, folder.path()).await?,
        _ => {
            let queue = Queue::open(options, folder.path()).await?;
            workload(&queue, options).await?
        }
    };
    if outcome.ran_again > 0 {
        return Err(format!("{} executions were not the first", outcome.ran_again).into());
    }
    troubles.none()?;
    Ok(outcome)
}
