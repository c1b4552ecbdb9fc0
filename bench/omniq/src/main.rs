//! OmniQ through its public API, as a user would use it.
//!
//! | module | contents |
//! | --- | --- |
//! | `queue` | settings, tasks, pool |
//! | `processes`, `workers`, `worker_process` | workers in separate processes: `--processes`, `--across` |
//! | `day` | a day of work and purging, on a simulated clock |
//! | `warnings` | the warnings of the library, of which there must be none |

mod day;
mod processes;
mod queue;
mod warnings;
mod worker_process;
mod workers;

use std::process::ExitCode;

use bench_harness::{Contender as _, Options, Outcome, Result, Workload, finish, workload};

use crate::queue::Queue;
use crate::warnings::Warnings;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::read();
    let warnings = Warnings::collect();
    if let Some(folder) = &options.child_of {
        return worker_process::main(&options, folder, &warnings).await;
    }
    let outcome = run(&options, &warnings).await;
    finish::<Queue>(options, outcome)
}

async fn run(options: &Options, warnings: &Warnings) -> Result<Outcome> {
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
    warnings.expect_none()?;
    Ok(outcome)
}
