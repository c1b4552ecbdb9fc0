//! A poison task, which aborts its process whenever it runs.

use std::collections::HashMap;
use std::time::Duration;

use omniq::call;
use omniq_crashtest::judge::{Evidence, all_tasks, judge};
use omniq_crashtest::{Harness, Process, ProcessEvent, worker};

use crate::harness;

/// Runs two workers, and restarts a worker whenever the poison task aborts it.
#[tokio::test(flavor = "multi_thread")]
async fn of_200_tasks_only_the_poison_task_fails() {
    const TASKS: usize = 200;
    let mut harness = harness();
    let omniq = harness.open().await.unwrap();
    let orders = (0..TASKS).map(|n| match n {
        40 => call(worker::POISON),
        _ => call(worker::WORK).arg(100),
    });
    let handles = omniq.enqueue_many(orders).await.unwrap();
    let mut workers = HashMap::new();
    for _ in 0..2 {
        start_worker(&harness, &mut workers);
    }

    let wait_for_all = async {
        for handle in &handles {
            // The judge checks the result of each task.
            let _ = handle.wait(Duration::from_secs(30)).await;
        }
    };
    let mut wait_for_all = std::pin::pin!(wait_for_all);
    loop {
        tokio::select! {
            () = &mut wait_for_all => break,
            event = harness.next_event() => if let ProcessEvent::Exited(process) = event.unwrap() {
                workers.remove(&process);
                start_worker(&harness, &mut workers);
            },
        }
    }
    for (_, worker) in workers {
        worker.stop().unwrap();
    }
    let verdict = judge(&Evidence {
        lines: harness.lines().unwrap(),
        tasks: all_tasks(&omniq).await.unwrap(),
        deaths: Vec::new(),
        max_crashes: harness.options.max_crashes,
    });
    println!("{verdict:#?}");
    assert!(verdict.broken.is_empty());
    assert_eq!(verdict.tasks, TASKS);
}

fn start_worker(harness: &Harness, workers: &mut HashMap<u32, Process>) {
    let worker = harness.start_worker().unwrap();
    workers.insert(worker.id(), worker);
}
