use std::path::Path;

use omniq::Backend;
use omniq_crashtest::kills::{Plan, run};

/// `OMNIQ_KILLS` asks for more kills, `OMNIQ_TEST_SEED` for the same ones again.
#[tokio::test(flavor = "multi_thread")]
async fn random_kills_lose_nothing_and_explain_every_duplicate() {
    kill(Plan::from_env(15).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_kills_on_a_folder_of_files_lose_nothing_either() {
    let mut plan = Plan::from_env(15).unwrap();
    plan.storage = Backend::File;
    kill(plan).await;
}

async fn kill(plan: Plan) {
    println!("{plan:?}");
    let program = Path::new(env!("CARGO_BIN_EXE_omniq-crashtest"));
    let report = run(program, plan).await.unwrap();
    println!("{report:#?}");
    assert!(report.verdict.broken.is_empty(), "{plan:?}");
    assert!(report.verdict.tasks > 0);
}
