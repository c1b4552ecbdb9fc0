//! Kills the main job when half of it is done, starts it again, and checks that it continues.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use omniq::{AsyncOmniQ, TaskFilter, TaskStatus};
use sha2::{Digest as _, Sha256};

const FILES: usize = 2_000;

fn start(folder: &Path, db: &Path, digests: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_quickstart"))
        .arg(folder)
        .arg("--db")
        .arg(db)
        .arg("--digests")
        .arg(digests)
        // Without prefetch, every claimed file is started: a second lease means a second computation.
        .args(["--prefetch", "0"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn fill(folder: &Path) -> HashMap<String, String> {
    let mut digests = HashMap::new();
    for i in 0..FILES {
        let subfolder = folder.join(format!("{:02}", i % 20));
        fs::create_dir_all(&subfolder).unwrap();
        let contents = i.to_string().repeat(i % 4_000);
        let path = subfolder.join(format!("file {i}"));
        fs::write(&path, &contents).unwrap();
        let digest: String = Sha256::digest(contents)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        digests.insert(path.to_str().unwrap().to_owned(), digest);
    }
    digests
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_only_files_in_flight_are_computed_again() {
    let scene = tempfile::tempdir().unwrap();
    let folder = scene.path().canonicalize().unwrap().join("files");
    let (db, list) = (scene.path().join("q.db"), scene.path().join("digests"));
    let expected = fill(&folder);

    let omniq = AsyncOmniQ::connect(&format!("sqlite:///{}", db.display()))
        .await
        .unwrap();
    let mut child = start(&folder, &db, &list);
    loop {
        let stats = omniq.stats().await.unwrap();
        let done: u64 = stats.queues.values().map(|queue| queue.success).sum();
        if done >= FILES as u64 / 2 {
            break;
        }
        assert!(
            child.try_wait().unwrap().is_none(),
            "the job ended before half of it was done"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let running = TaskFilter::new().status(TaskStatus::Running).limit(10_000);
    let in_flight: HashSet<_> = omniq
        .list_tasks(running)
        .await
        .unwrap()
        .into_iter()
        .map(|task| task.id)
        .collect();

    assert!(start(&folder, &db, &list).wait().unwrap().success());
    let text = fs::read_to_string(&list).unwrap();
    let found: HashMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(digest, path)| (path.to_owned(), digest.to_owned()))
        .collect();
    assert_eq!(found, expected, "every file, with its digest");

    let tasks = omniq
        .list_tasks(TaskFilter::new().limit(10_000))
        .await
        .unwrap();
    assert_eq!(tasks.len(), FILES, "one task for each file");
    let twice = tasks.iter().filter(|task| task.lease > 1);
    for task in twice {
        assert!(
            in_flight.contains(&task.id),
            "{} was claimed again",
            task.id
        );
    }

    let before: Vec<u64> = tasks.iter().map(|task| task.lease).collect();
    assert!(start(&folder, &db, &list).wait().unwrap().success());
    let tasks = omniq
        .list_tasks(TaskFilter::new().limit(10_000))
        .await
        .unwrap();
    let after: Vec<u64> = tasks.iter().map(|task| task.lease).collect();
    assert_eq!(before, after, "a third run computes nothing");
}
