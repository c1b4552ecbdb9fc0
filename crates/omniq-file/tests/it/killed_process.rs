//! Real processes are killed at random times while another one has the folder open and is behind.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use omniq_core::Storage as _;
use omniq_core::settle::{Outcome, settle};
use omniq_core::storage::TaskFilter;
use omniq_core::{CoreSettings, Task, TaskError, TaskStatus};
use omniq_file::FileStorage;

use crate::common::{NOW, claim, enqueue, open, quarantine, task, within};

const FOLDER: &str = "OMNIQ_TEST_CHILD_FOLDER";
const ROUNDS: u64 = 12;

/// The process that is killed: it enqueues in new queues, and its tasks fail and are retried. It does nothing unless
/// the other test starts it.
#[tokio::test]
async fn child_that_works_in_new_queues() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let storage = open(Path::new(&folder)).unwrap();
    for number in 0.. {
        let mut new = task("child", number);
        new.queue = format!("queue-{}-{number}", std::process::id());
        let id = enqueue(&storage, new).await;
        // The parent reads these lines.
        eprintln!("acknowledged {id}");
        let found = within(storage.claim(claim())).await.unwrap().tasks;
        let failed = Outcome::Failed(TaskError::new("no", "luck"));
        let change = settle(&found[0], failed, NOW, 0.5).unwrap();
        within(storage.settle(vec![change], NOW)).await.unwrap();
    }
}

fn start(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "--nocapture",
            "killed_process::child_that_works_in_new_queues",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_process_that_is_behind_loses_no_task_of_a_killed_one() {
    let folder = tempfile::tempdir().unwrap();
    // Without a doorbell, this process does not notice that the other one writes.
    std::fs::write(folder.path().join("queue-omniq"), "").unwrap();
    let mut settings = CoreSettings::default();
    settings.poll_interval = Duration::from_secs(3_600);
    let storage = FileStorage::open(folder.path(), &settings).unwrap();
    enqueue(&storage, task("old", 0)).await;
    for round in 0..ROUNDS {
        let mut child = start(folder.path());
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        std::thread::sleep(Duration::from_micros(500 + fastrand::u64(..8_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged: BTreeSet<String> = std::iter::once(first)
            .chain(lines.map_while(Result::ok))
            .filter_map(|line| Some(line.strip_prefix("acknowledged ")?.to_owned()))
            .collect();
        assert_ne!(acknowledged.len(), 0);

        let taken = within(storage.claim(claim().limit(10_000))).await.unwrap();
        let all = within(storage.list_tasks(TaskFilter::new().limit(u32::MAX)))
            .await
            .unwrap();
        let ids: BTreeSet<_> = all.iter().map(|task| task.id.to_string()).collect();
        assert!(
            ids.is_superset(&acknowledged),
            "round {round}: {acknowledged:?} in {ids:?}"
        );
        let is_pending = |task: &&Task| task.status == TaskStatus::Pending;
        let unclaimed = all.iter().filter(is_pending).count();
        assert_eq!(unclaimed, 0, "round {round}, {} claimed", taken.tasks.len());
    }
    let before = within(storage.list_tasks(TaskFilter::new().limit(u32::MAX)))
        .await
        .unwrap();
    drop(storage);
    std::fs::remove_file(folder.path().join("queue/index/whole")).unwrap();
    let storage = open(folder.path()).unwrap();
    let after = within(storage.list_tasks(TaskFilter::new().limit(u32::MAX)))
        .await
        .unwrap();
    assert_eq!(after, before);
    assert_eq!(quarantine(folder.path()).0, 0);
}
