//! Tasks in the application's own transactions, while processes are killed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use omniq::{TaskHandle, TaskStatus, call};
use omniq_crashtest::Driver;
use omniq_crashtest::kills::Plan;
use omniq_crashtest::shop_app::{RECORD_SALE, ledger_entries};
use omniq_crashtest::{Harness, Mark, ProcessEvent};

use crate::harness;

const DRIVERS: [Driver; 2] = [Driver::Rusqlite, Driver::Sqlx];

fn harness_for(driver: Driver) -> Harness {
    let mut harness = harness();
    harness.options.driver = driver;
    harness
}

/// A kill before the commit leaves neither ledger entry nor task; a kill after the commit leaves both.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_entry_and_its_task_are_committed_atomically() {
    for driver in DRIVERS {
        let mut harness = harness_for(driver);
        let omniq = harness.open().await.unwrap();
        let list_tasks = || omniq.list_tasks(omniq::TaskFilter::new());

        let ordering_process = harness.start_ready("order-uncommitted").await.unwrap();
        ordering_process.kill().unwrap();
        assert!(list_tasks().await.unwrap().is_empty());
        assert!(ledger_entries(&harness.options.db).unwrap().is_empty());

        let ordering_process = harness.start_ready("order-committed").await.unwrap();
        ordering_process.kill().unwrap();
        let found = list_tasks().await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(ledger_entries(&harness.options.db).unwrap(), [found[0].id]);

        let worker = harness.start_ready("shop-worker").await.unwrap();
        let handle: TaskHandle<String> = omniq.handle(found[0].id);
        let result = handle.wait(Duration::from_secs(10)).await.unwrap();
        assert_eq!(result, found[0].id.to_string());
        assert_eq!(ledger_entries(&harness.options.db).unwrap().len(), 2);
        worker.stop().unwrap();
    }
}

/// `OMNIQ_KILLS` sets the number of kills; `OMNIQ_TEST_SEED` repeats a run.
#[tokio::test(flavor = "multi_thread")]
async fn writes_in_the_completing_transaction_happen_exactly_once() {
    let plan = Plan::from_env(16).unwrap();
    println!("{plan:?}");
    for driver in DRIVERS {
        let started = Instant::now();
        record_sales_and_kill(plan, driver).await;
        println!("{driver:?}: {:?}", started.elapsed());
    }
}

async fn record_sales_and_kill(plan: Plan, driver: Driver) {
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let mut harness = harness_for(driver);
    harness.options.lease = Duration::from_secs(5);
    harness.options.max_crashes = plan.kills + 1;
    let omniq = harness.open().await.unwrap();
    let mut workers = vec![
        harness.start("shop-worker").unwrap(),
        harness.start("shop-worker").unwrap(),
    ];
    let mut handles: Vec<TaskHandle<serde_json::Value>> = Vec::new();
    for _ in 0..plan.kills {
        let orders = (0..10).map(|_| call(RECORD_SALE).arg(random.u32(..5)).max_attempts(1_000));
        handles.extend(omniq.enqueue_many(orders).await.unwrap());
        let mut lines_to_wait_for = random.u32(1..16);
        while lines_to_wait_for > 0 {
            let is_line = matches!(harness.next_event().await.unwrap(), ProcessEvent::Line(_));
            lines_to_wait_for -= u32::from(is_line);
        }
        let victim = workers.swap_remove(random.usize(..workers.len()));
        victim.kill().unwrap();
        workers.push(harness.start("shop-worker").unwrap());
    }
    for handle in &handles {
        let result = handle.wait(Duration::from_secs(60)).await.unwrap();
        assert_eq!(result, handle.id().to_string());
        assert_eq!(handle.status().await.unwrap(), TaskStatus::Success);
    }
    workers
        .into_iter()
        .for_each(|worker| worker.stop().unwrap());

    let recorded = ledger_entries(&harness.options.db).unwrap();
    let mut tasks: Vec<_> = handles.iter().map(TaskHandle::id).collect();
    tasks.sort_unstable();
    assert_eq!(recorded, tasks, "one ledger entry per success: {plan:?}");
    let lines = harness.lines().unwrap();
    let marked = |mark| lines.iter().filter(move |line| line.mark == mark);
    let ended: HashSet<_> = marked(Mark::End).map(|line| line.id).collect();
    println!(
        "{driver:?}: {} tasks; {} executions were cut short before their commit, {} tasks had a death between their \
         commit and their return",
        tasks.len(),
        marked(Mark::Start).count() - tasks.len(),
        tasks.len() - ended.len(),
    );
}
