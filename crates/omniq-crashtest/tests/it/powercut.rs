//! Short runs with power cuts below real processes. They need strace; `.ci/run` makes sure that it is there.

use std::path::Path;
use std::time::Duration;

use omniq::Backend;
use omniq_crashtest::powercut::is_installed;
use omniq_crashtest::powercut::run::{Plan, Report, run};

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    cut_and_check(Backend::Sqlite);
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged_on_files() {
    cut_and_check(Backend::File);
}

#[test]
fn a_disk_that_ignores_syncs_is_noticed() {
    for storage in [Backend::Sqlite, Backend::File] {
        let mut plan = plan(storage);
        plan.ignores_syncs = true;
        if let Some(report) = report(plan) {
            assert!(!report.violations.is_empty(), "{plan:?}");
            std::fs::remove_dir_all(report.kept.unwrap()).unwrap();
        }
    }
}

/// `OMNIQ_TEST_SEED` repeats the random decisions of a run.
fn plan(storage: Backend) -> Plan {
    let plan = Plan::from_env(storage, Duration::from_secs(1), 24).unwrap();
    println!("{plan:?}");
    plan
}

fn cut_and_check(storage: Backend) {
    let plan = plan(storage);
    if let Some(report) = report(plan) {
        for violation in &report.violations {
            println!("{violation}");
        }
        assert!(report.violations.is_empty(), "{plan:?}, {:?}", report.kept);
        assert!(report.syncs > 0 && report.responses > 0, "{report:?}");
    }
}

/// Returns `None` on a machine without strace. In CI, that is a failure.
fn report(plan: Plan) -> Option<Report> {
    if !is_installed().unwrap() {
        assert!(std::env::var_os("CI").is_none(), "CI must install strace");
        println!("skipped: strace is missing (Debian and Ubuntu: apt-get install strace)");
        return None;
    }
    let program = Path::new(env!("CARGO_BIN_EXE_omniq-crashtest"));
    Some(run(program, plan).unwrap())
}
