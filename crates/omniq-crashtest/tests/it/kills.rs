//! Runs with random kills under load.

use std::path::Path;

use omniq::Backend;
use omniq_crashtest::kills::{Plan, run};

/// `OMNIQ_KILLS` sets the number of kills; `OMNIQ_TEST_SEED` repeats a run.
#[tokio::test(flavor = "multi_thread")]
async fn random_kills_lose_nothing_and_explain_every_duplicate() {
    kill_and_judge(Plan::from_env(15).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_kills_on_files_lose_nothing_and_explain_every_duplicate() {
    let mut plan = Plan::from_env(15).unwrap();
    plan.storage = Backend::File;
    kill_and_judge(plan).await;
}

async fn kill_and_judge(plan: Plan) {
    println!("{plan:?}");
    let program = Path::new(env!("CARGO_BIN_EXE_omniq-crashtest"));
    let report = run(program, plan).await.unwrap();
    println!("{report:#?}");
    assert!(report.verdict.broken.is_empty(), "{plan:?}");
    assert!(report.verdict.tasks > 0);
}
