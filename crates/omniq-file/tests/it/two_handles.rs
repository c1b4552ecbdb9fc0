//! Two storages on one folder, as in two processes.

use std::collections::HashSet;
use std::sync::Arc;

use omniq_core::Storage as _;
use omniq_core::storage::TaskFilter;
use tokio::task::JoinSet;

use crate::common::{NOW, claim, enqueue, open, success, task, within};

#[tokio::test]
async fn each_handle_sees_the_changes_of_the_other_and_ids_are_unique() {
    let folder = tempfile::tempdir().unwrap();
    let storages = [open(folder.path()).unwrap(), open(folder.path()).unwrap()];
    let mut ids = HashSet::new();
    for round in 0..40 {
        let (one, other) = (&storages[round % 2], &storages[1 - round % 2]);
        let id = enqueue(one, task(&format!("name{}", round % 3), round as u64)).await;
        assert!(ids.insert(id));
        let taken = within(other.claim(claim().limit(5))).await.unwrap().tasks;
        assert_eq!(taken.iter().map(|task| task.id).collect::<Vec<_>>(), [id]);
        within(one.settle(vec![success(&taken[0])], NOW))
            .await
            .unwrap();
        let finished = within(other.finished_or_unknown(vec![id])).await.unwrap();
        assert_eq!(finished, [id]);
    }
}

/// There are enough tasks to fill, split and remove chunks, in both handles.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_thousands_of_tasks_is_claimed_once() {
    const TASKS: u64 = 6_000;
    let folder = tempfile::tempdir().unwrap();
    let storages = [
        Arc::new(open(folder.path()).unwrap()),
        Arc::new(open(folder.path()).unwrap()),
    ];
    for start in (0..TASKS).step_by(500) {
        let tasks = (start..start + 500)
            .map(|number| task("a", number))
            .collect();
        within(storages[(start / 500 % 2) as usize].enqueue(tasks, NOW))
            .await
            .unwrap();
    }
    let mut claimers = JoinSet::new();
    for number in 0..8 {
        let storage = storages[number % 2].clone();
        claimers.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let taken = within(storage.claim(claim().limit(7 + number)))
                    .await
                    .unwrap()
                    .tasks;
                if taken.is_empty() {
                    return mine;
                }
                mine.extend(taken.iter().map(|task| task.id));
                within(storage.settle(taken.iter().map(success).collect(), NOW))
                    .await
                    .unwrap();
            }
        });
    }
    let all: Vec<_> = claimers.join_all().await.into_iter().flatten().collect();
    let unique: HashSet<_> = all.iter().collect();
    assert_eq!((all.len(), unique.len()), (TASKS as usize, TASKS as usize));
    let remaining = within(storages[0].list_tasks(TaskFilter::new().limit(u32::MAX)))
        .await
        .unwrap();
    assert_eq!(remaining.len(), TASKS as usize);
}
