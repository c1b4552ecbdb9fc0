//! Runs one workload, from the command line to the JSON result.

use std::process::ExitCode;

use crate::{Contender, Line, Options, Outcome, Result, Workload};
use crate::{enqueue, latency, preload, process};

/// The main function of a contender.
pub async fn main<C: Contender>() -> ExitCode {
    let options = Options::read();
    let outcome = run::<C>(&options).await;
    finish::<C>(options, outcome)
}

/// Opens a new queue and runs the workload on it.
async fn run<C: Contender>(options: &Options) -> Result<Outcome> {
    C::check(options)?;
    let folder = options.folder()?;
    let contender = C::open(options, folder.path()).await?;
    workload(&contender, options).await
}

/// Runs a workload that all contenders share.
pub async fn workload<C: Contender>(contender: &C, options: &Options) -> Result<Outcome> {
    preload::conditions(contender, options).await?;
    match options.workload {
        Workload::W1 | Workload::W2 => enqueue::w1_w2(contender, options).await,
        Workload::W3 => process::w3(contender, options).await,
        Workload::W4 => latency::in_this_process(contender, options).await,
        Workload::W5 => process::w5(contender, options).await,
        Workload::Day => Err("--workload day is not supported by this contender".into()),
    }
}

/// Prints the result or the error.
pub fn finish<C: Contender>(options: Options, outcome: Result<Outcome>) -> ExitCode {
    let contender = C::NAME;
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("{contender}: {error}");
            return ExitCode::FAILURE;
        }
    };
    if !options.json {
        let (n, seconds) = (options.n(), outcome.seconds);
        println!("{contender}: {n} tasks in {seconds:.3} s");
    }
    let line = Line {
        contender: contender.to_owned(),
        sqlite: C::sqlite_version().to_owned(),
        options,
        outcome,
    };
    let text = serde_json::to_string(&line).expect("names, numbers and lists can be written");
    println!("{text}");
    ExitCode::SUCCESS
}
