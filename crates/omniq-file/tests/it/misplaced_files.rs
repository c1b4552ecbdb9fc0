//! Files that somebody moved or spoilt by hand: no task is lost, and none is there twice.

use std::fs;
use std::path::{Path, PathBuf};

use omniq_core::storage::TaskFilter;
use omniq_core::{Storage as _, TaskId};
use omniq_file::FileStorage;

use crate::common::{NOW, claim, enqueue, file_of, files, open, quarantine, task, within};

/// The tasks that can be claimed. The first call may find the damage, and says that it may be tried again.
async fn claimable(storage: &FileStorage) -> Vec<TaskId> {
    let mut found = within(storage.claim(claim().limit(100))).await;
    if let Err(error) = &found {
        assert!(error.is_retryable(), "{error}");
        found = within(storage.claim(claim().limit(100))).await;
    }
    found.unwrap().tasks.iter().map(|task| task.id).collect()
}

async fn some(folder: &Path) -> Vec<TaskId> {
    let storage = open(folder).unwrap();
    let mut ids = Vec::new();
    for number in 1..=4 {
        ids.push(enqueue(&storage, task("a", number)).await);
    }
    ids
}

fn copies(folder: &Path, id: TaskId) -> usize {
    let name = format!("{id}.json");
    let all = [folder.join("queue/lanes"), folder.join("queue/running")];
    let all = all.iter().flat_map(|folder| files(folder));
    all.filter(|path| path.to_string_lossy().ends_with(&name))
        .count()
}

/// Where a file may be moved to by mistake, from its chunk.
fn wrong_places(folder: &Path, file: &Path) -> Vec<PathBuf> {
    let name = file.file_name().unwrap();
    let chunk = file.parent().unwrap();
    let shelf = chunk.parent().unwrap();
    let lane = shelf.parent().unwrap().parent().unwrap();
    let later = "20990101T000000.000000-0000000000001.000000000000Z";
    let mut places: Vec<PathBuf> = [
        shelf.join(later),
        shelf.join("p7").join(later),
        shelf.to_owned(),
        chunk.join("deeper"),
        lane.to_owned(),
        lane.join("waiting").join(later),
        lane.parent().unwrap().to_owned(),
        lane.with_file_name("000009-none"),
        // Ids are written in capitals.
        shelf.join(later.to_lowercase()),
        folder.join("queue/running"),
        folder.join("results"),
        folder.join("results/failed").join(later),
    ]
    .into_iter()
    .map(|place| place.join(name))
    .collect();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt as _;
        let mut odd = b"odd\xff-".to_vec();
        odd.extend_from_slice(name.to_string_lossy().as_bytes());
        places.push(chunk.join(std::ffi::OsString::from_vec(odd)));
    }
    places
}

#[tokio::test]
async fn a_file_that_was_moved_by_hand_is_found() {
    for which in 0.. {
        let folder = tempfile::tempdir().unwrap();
        let ids = some(folder.path()).await;
        let file = file_of(folder.path(), ids[1]);
        let places = wrong_places(folder.path(), &file);
        let Some(place) = places.get(which) else {
            break;
        };
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::rename(&file, place).unwrap();
        let storage = open(folder.path()).unwrap();
        // Asked for by its id, before any claim meets its name.
        let _ = within(storage.get(vec![ids[1]])).await;
        let found = within(storage.get(vec![ids[1]])).await.unwrap();
        if place.to_str().is_none() {
            // Nothing of its name says whose it is; it comes back when the files are read again.
            drop(storage);
            fs::remove_file(folder.path().join("queue/index/whole")).unwrap();
        } else {
            assert!(found[0].is_some(), "{}", place.display());
            drop(storage);
        }
        let storage = open(folder.path()).unwrap();
        let mut claimed = claimable(&storage).await;
        claimed.sort_unstable();
        assert_eq!(claimed, ids, "{}", place.display());
        assert_eq!(copies(folder.path(), ids[1]), 1, "{}", place.display());
        // A lane that does not say what it is for is set aside.
        let lane = place.to_string_lossy().contains("000009-none");
        assert_eq!(
            fs::read_dir(folder.path().join("queue/quarantine"))
                .unwrap()
                .count(),
            if lane { 2 } else { 0 }
        );
    }
}

#[tokio::test]
async fn a_file_that_moves_while_the_folder_is_open_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let ids = some(folder.path()).await;
    let storage = open(folder.path()).unwrap();
    let one = within(storage.claim(claim())).await.unwrap().tasks;
    assert_eq!(one[0].id, ids[0]);
    let file = file_of(folder.path(), ids[1]);
    let later = "20990101T000000.000000-0000000000001.000000000000Z";
    let other = file.parent().unwrap().with_file_name(later);
    fs::create_dir(&other).unwrap();
    fs::rename(&file, other.join(file.file_name().unwrap())).unwrap();
    assert_eq!(claimable(&storage).await, ids[1..]);
}

#[tokio::test]
async fn a_lane_that_does_not_say_what_it_is_for_loses_no_task() {
    for spoilt in ["garbage", "gone", "folder", "copy"] {
        let folder = tempfile::tempdir().unwrap();
        let ids = some(folder.path()).await;
        let file = file_of(folder.path(), ids[0]);
        let lane = file.ancestors().nth(4).unwrap();
        let says = lane.join("lane.json");
        assert!(says.is_file());
        match spoilt {
            "garbage" => fs::write(&says, b"\0\xff{").unwrap(),
            "copy" => {
                let copy = lane.with_file_name("000001-copy");
                fs::create_dir(&copy).unwrap();
                fs::copy(&says, copy.join("lane.json")).unwrap();
            }
            _ => fs::remove_file(&says).unwrap(),
        }
        if spoilt == "folder" {
            fs::create_dir(&says).unwrap();
        }
        let storage = open(folder.path()).unwrap();
        let all = within(storage.list_tasks(TaskFilter::new())).await.unwrap();
        assert_eq!(all.len(), 4, "{spoilt}");
        assert_eq!(claimable(&storage).await, ids, "{spoilt}");
        let new = enqueue(&storage, task("a", 5)).await;
        assert_eq!(claimable(&storage).await, [new], "{spoilt}");
        drop(storage);
        let storage = open(folder.path()).unwrap();
        let all = within(storage.list_tasks(TaskFilter::new())).await.unwrap();
        assert_eq!(all.len(), 5, "{spoilt}");
    }
}

#[tokio::test]
async fn a_folder_in_the_place_of_a_task_s_file_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let ids = some(folder.path()).await;
    let file = file_of(folder.path(), ids[0]);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    // Where the next one will be moved to.
    let running = folder.path().join(format!("queue/running/{}.json", ids[1]));
    fs::create_dir(&running).unwrap();
    let storage = open(folder.path()).unwrap();
    let gone = within(storage.get(vec![ids[0]])).await.unwrap();
    assert_eq!(gone, [None]);
    assert_eq!(claimable(&storage).await, ids[1..]);
    assert!(running.is_file());
    assert!(quarantine(folder.path()).1.contains("folder"));
    let again = within(storage.enqueue(vec![task("a", 9)], NOW)).await;
    assert!(again.is_ok());
}
