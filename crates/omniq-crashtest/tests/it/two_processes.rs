use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use omniq::call;
use omniq_crashtest::{Log, TASK, open};

use crate::workers::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_never_get_the_same_task() {
    const TASKS: u64 = 2_000;
    let scene = Scene::new();
    let omniq = open(&scene.db()).await.unwrap();
    let workers = [scene.worker(4), scene.worker(4)];
    let mut handles = Vec::new();
    for first in (0..TASKS).step_by(100) {
        let orders = (first..first + 100).map(|n| call(TASK).arg(n).arg(20));
        handles.extend(omniq.enqueue_many(orders).await.unwrap());
    }
    for (n, handle) in handles.iter().enumerate() {
        let value = handle.wait(Duration::from_secs(60)).await.unwrap();
        assert_eq!(value, n as u64);
    }
    let mut ran = HashMap::new();
    for line in Log::read(&scene.log())
        .unwrap()
        .into_iter()
        .filter(|line| !line.end)
    {
        let before = ran.insert(line.n, line.process);
        assert_eq!(before, None, "task {} ran twice", line.n);
    }
    assert_eq!(ran.len() as u64, TASKS);
    let shares: BTreeSet<u32> = ran.values().copied().collect();
    assert_eq!(
        shares,
        workers.iter().map(|worker| worker.id()).collect(),
        "both took part"
    );
    workers.into_iter().for_each(|worker| worker.stop());
}
