use std::collections::{HashMap, HashSet};
use std::time::Duration;

use omniq::{TaskFilter, TaskStatus, call};
use omniq_crashtest::{Line, Log, TASK, open};

use crate::workers::Scene;

/// Workers are killed one after the other in the middle of their work; the last one finishes it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_process_ran_is_taken_over_and_nothing_is_lost() {
    const TASKS: u64 = 1_000;
    const KILLS: u64 = 3;
    let scene = Scene::new();
    let omniq = open(&scene.db()).await.unwrap();
    let orders = (0..TASKS).map(|n| call(TASK).arg(n).arg(200));
    let handles = omniq.enqueue_many(orders).await.unwrap();

    let mut at_kill = HashSet::new();
    for kill in 1..=KILLS {
        let worker = scene.worker(4);
        let seen = handles[(kill * TASKS / (2 * KILLS)) as usize].clone();
        seen.wait(Duration::from_secs(60)).await.unwrap();
        worker.kill();
        let filter = TaskFilter::new().status(TaskStatus::Running).limit(1_000);
        at_kill.extend(
            omniq
                .list_tasks(filter)
                .await
                .unwrap()
                .into_iter()
                .map(|task| task.id),
        );
    }
    let last = scene.worker(4);
    for handle in &handles {
        handle.wait(Duration::from_secs(60)).await.unwrap();
    }
    last.stop();

    let lines = Log::read(&scene.log()).unwrap();
    let mut runs: HashMap<u64, Vec<Line>> = HashMap::new();
    lines
        .iter()
        .filter(|line| !line.end)
        .for_each(|l| runs.entry(l.n).or_default().push(*l));
    assert_eq!(runs.len() as u64, TASKS, "nothing is lost");
    for (n, runs) in &runs {
        let id = handles[*n as usize].id();
        assert!(
            runs.len() == 1 || at_kill.contains(&id),
            "task {n} ran {} times",
            runs.len()
        );
        assert!(
            runs.is_sorted_by(|a, b| a.lease < b.lease),
            "never twice under one lease: {runs:?}"
        );
        let task = omniq.get_task(id).await.unwrap().unwrap();
        assert_eq!(task.attempts, 1, "a kill burns no attempt");
    }
}
