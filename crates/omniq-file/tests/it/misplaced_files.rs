//! Files that were moved or damaged by hand: no task is lost, and none exists twice.

use std::fs;
use std::path::{Path, PathBuf};

use omniq_core::storage::TaskFilter;
use omniq_core::{Storage as _, TaskId};
use omniq_file::FileStorage;

use crate::common::{NOW, claim, enqueue, file_of, files, open, quarantine, task, within};

/// Claims all tasks that can be claimed. The first call may find the damage; its error is retryable.
async fn claim_all(storage: &FileStorage) -> Vec<TaskId> {
    let mut found = within(storage.claim(claim().limit(100))).await;
    if let Err(error) = &found {
        assert!(error.is_retryable(), "{error}");
        found = within(storage.claim(claim().limit(100))).await;
    }
    found.unwrap().tasks.iter().map(|task| task.id).collect()
}

async fn enqueue_four(folder: &Path) -> Vec<TaskId> {
    let storage = open(folder).unwrap();
    let mut ids = Vec::new();
    for number in 1..=4 {
        ids.push(enqueue(&storage, task("a", number)).await);
    }
    ids
}

/// Counts the files of an unfinished task.
fn count_files(folder: &Path, id: TaskId) -> usize {
    let name = format!("{id}.json");
    let all = [folder.join("queue/lanes"), folder.join("queue/running")];
    let all = all.iter().flat_map(|folder| files(folder));
    all.filter(|path| path.to_string_lossy().ends_with(&name))
        .count()
}

/// Returns paths to which a file in a chunk may be moved by mistake.
fn wrong_locations(folder: &Path, file: &Path) -> Vec<PathBuf> {
    let name = file.file_name().unwrap();
    let chunk = file.parent().unwrap();
    let shelf = chunk.parent().unwrap();
    let lane = shelf.parent().unwrap().parent().unwrap();
    let later = "20990101T000000.000000-0000000000001.000000000000Z";
    let mut locations: Vec<PathBuf> = [
        shelf.join(later),
        shelf.join("p7").join(later),
        shelf.to_owned(),
        chunk.join("deeper"),
        lane.to_owned(),
        lane.join("waiting").join(later),
        lane.parent().unwrap().to_owned(),
        lane.with_file_name("000009-none"),
        // Ids are written in upper case.
        shelf.join(later.to_lowercase()),
        folder.join("queue/running"),
        folder.join("results"),
        folder.join("results/failed").join(later),
    ]
    .into_iter()
    .map(|folder| folder.join(name))
    .collect();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt as _;
        let mut odd = b"odd\xff-".to_vec();
        odd.extend_from_slice(name.to_string_lossy().as_bytes());
        locations.push(chunk.join(std::ffi::OsString::from_vec(odd)));
    }
    locations
}

#[tokio::test]
async fn a_file_that_was_moved_by_hand_is_found() {
    for index in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let ids = enqueue_four(folder.path()).await;
        let file = file_of(folder.path(), ids[1]);
        let locations = wrong_locations(folder.path(), &file);
        let Some(location) = locations.get(index) else {
            break;
        };
        fs::create_dir_all(location.parent().unwrap()).unwrap();
        fs::rename(&file, location).unwrap();
        let storage = open(folder.path()).unwrap();
        // The task is read by its id, before a claim finds its file.
        let _ = within(storage.get(vec![ids[1]])).await;
        let found = within(storage.get(vec![ids[1]])).await.unwrap();
        if location.to_str().is_none() {
            // The name of the file is not text, so it is only found when all files are read.
            drop(storage);
            fs::remove_file(folder.path().join("queue/index/whole")).unwrap();
        } else {
            assert!(found[0].is_some(), "{}", location.display());
            drop(storage);
        }
        let storage = open(folder.path()).unwrap();
        let mut claimed = claim_all(&storage).await;
        claimed.sort_unstable();
        assert_eq!(claimed, ids, "{}", location.display());
        assert_eq!(
            count_files(folder.path(), ids[1]),
            1,
            "{}",
            location.display()
        );
        // A lane without a lane.json is quarantined.
        let is_unknown_lane = location.to_string_lossy().contains("000009-none");
        assert_eq!(
            fs::read_dir(folder.path().join("queue/quarantine"))
                .unwrap()
                .count(),
            if is_unknown_lane { 2 } else { 0 }
        );
    }
}

#[tokio::test]
async fn a_file_that_moves_while_the_folder_is_open_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let ids = enqueue_four(folder.path()).await;
    let storage = open(folder.path()).unwrap();
    let claimed = within(storage.claim(claim())).await.unwrap().tasks;
    assert_eq!(claimed[0].id, ids[0]);
    let file = file_of(folder.path(), ids[1]);
    let later = "20990101T000000.000000-0000000000001.000000000000Z";
    let other = file.parent().unwrap().with_file_name(later);
    fs::create_dir(&other).unwrap();
    fs::rename(&file, other.join(file.file_name().unwrap())).unwrap();
    assert_eq!(claim_all(&storage).await, ids[1..]);
}

#[tokio::test]
async fn a_lane_without_a_readable_lane_json_loses_no_task() {
    for damage in ["garbage", "missing", "folder", "copy"] {
        let folder = tempfile::tempdir().unwrap();
        let ids = enqueue_four(folder.path()).await;
        let file = file_of(folder.path(), ids[0]);
        let lane = file.ancestors().nth(4).unwrap();
        let lane_json = lane.join("lane.json");
        assert!(lane_json.is_file());
        match damage {
            "garbage" => fs::write(&lane_json, b"\0\xff{").unwrap(),
            "copy" => {
                let copy = lane.with_file_name("000001-copy");
                fs::create_dir(&copy).unwrap();
                fs::copy(&lane_json, copy.join("lane.json")).unwrap();
            }
            _ => fs::remove_file(&lane_json).unwrap(),
        }
        if damage == "folder" {
            fs::create_dir(&lane_json).unwrap();
        }
        let storage = open(folder.path()).unwrap();
        let all = within(storage.list_tasks(TaskFilter::new())).await.unwrap();
        assert_eq!(all.len(), 4, "{damage}");
        assert_eq!(claim_all(&storage).await, ids, "{damage}");
        let new = enqueue(&storage, task("a", 5)).await;
        assert_eq!(claim_all(&storage).await, [new], "{damage}");
        drop(storage);
        let storage = open(folder.path()).unwrap();
        let all = within(storage.list_tasks(TaskFilter::new())).await.unwrap();
        assert_eq!(all.len(), 5, "{damage}");
    }
}

#[tokio::test]
async fn a_folder_that_replaces_a_task_file_delays_no_other_task() {
    let folder = tempfile::tempdir().unwrap();
    let ids = enqueue_four(folder.path()).await;
    let file = file_of(folder.path(), ids[0]);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    // The file of the next task will be moved to this path.
    let running = folder.path().join(format!("queue/running/{}.json", ids[1]));
    fs::create_dir(&running).unwrap();
    let storage = open(folder.path()).unwrap();
    let missing = within(storage.get(vec![ids[0]])).await.unwrap();
    assert_eq!(missing, [None]);
    assert_eq!(claim_all(&storage).await, ids[1..]);
    assert!(running.is_file());
    assert!(quarantine(folder.path()).1.contains("folder"));
    let enqueued = within(storage.enqueue(vec![task("a", 9)], NOW)).await;
    assert!(enqueued.is_ok());
}
