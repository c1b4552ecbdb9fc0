use std::collections::HashSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use omniq_core::TaskId;
use omniq_core::storage::Lease;
use omniq_writer::ipc::{DeadOwner, Folder, OwnerState, Presence, Started};

use crate::neighbour::Neighbour;
use crate::{Place, introduction, owner, place};

fn lease(task: i64, number: u64) -> Lease {
    let id = TaskId::from_i64(task).unwrap();
    Lease::new(id, number)
}

fn gone(folder: &Folder, number: i64) -> DeadOwner {
    match OwnerState::of(folder, owner(number)) {
        OwnerState::Dead(gone) => gone,
        other => panic!("it is {other:?}"),
    }
}

fn is_here(place: &Place, number: i64) -> bool {
    matches!(
        OwnerState::of(&place.folder, owner(number)),
        OwnerState::Alive
    )
}

fn is_unknown(place: &Place, number: i64) -> bool {
    matches!(
        OwnerState::of(&place.folder, owner(number)),
        OwnerState::Unknown
    )
}

/// How many files owners have.
fn files(place: &Place) -> usize {
    let count = |folder: &str| {
        fs::read_dir(place.folder.path().join(folder))
            .unwrap()
            .count()
    };
    count("owners") + count("started")
}

fn owner_file(place: &Place, number: i64) -> PathBuf {
    let owners = place.folder.path().join("owners");
    owners.join(owner(number).to_string())
}

/// An owner whose process is gone, in the boot that its file names.
fn leave_behind(place: &Place, number: i64, boot: &str) {
    let path = owner_file(place, number);
    fs::write(&path, "").unwrap();
    fs::write(&path, introduction(boot, &path)).unwrap();
}

#[test]
fn an_owner_is_here_until_it_leaves_and_then_unknown() {
    let place = place();
    assert!(is_unknown(&place, 1));
    let presence = Presence::enter(&place.folder, owner(1)).unwrap();
    assert_eq!(presence.owner(), owner(1));
    assert!(is_here(&place, 1));
    assert_eq!(Presence::owners(&place.folder).unwrap(), [owner(1)]);
    drop(presence);
    assert!(is_unknown(&place, 1));
    assert_eq!(files(&place), 0);
}

#[test]
fn one_process_may_enter_twice() {
    let place = place();
    let first = Presence::enter(&place.folder, owner(1)).unwrap();
    let second = Presence::enter(&place.folder, owner(1)).unwrap();
    let third = Presence::enter(&place.folder, owner(2)).unwrap();
    drop(first);
    assert!(is_here(&place, 1));
    drop(second);
    assert!(is_unknown(&place, 1));
    assert!(is_here(&place, 2));
    drop(third);
    let _again = Presence::enter(&place.folder, owner(1)).unwrap();
    assert!(is_here(&place, 1));
}

#[test]
fn an_owner_that_comes_and_goes_never_looks_dead() {
    let place = place();
    std::thread::scope(|scope| {
        let come_and_go = || {
            for _ in 0..200 {
                drop(Presence::enter(&place.folder, owner(1)).unwrap());
            }
        };
        let owners = [(); 3].map(|()| scope.spawn(come_and_go));
        while owners.iter().any(|thread| !thread.is_finished()) {
            let standing = OwnerState::of(&place.folder, owner(1));
            assert!(!matches!(standing, OwnerState::Dead(_)));
        }
    });
}

#[test]
fn a_killed_process_is_gone_at_the_first_look_and_what_it_started_is_known() {
    let place = place();
    let mut neighbour = Neighbour::beside(&place, 5);
    neighbour.start(0, lease(10, 1));
    neighbour.start(3, lease(11, 2));
    neighbour.start(0, lease(12, u64::MAX));
    assert!(is_here(&place, 5));
    assert_eq!(Started::by(&place.folder, owner(5)), gone_started());
    let refused = Presence::enter(&place.folder, owner(5)).unwrap_err();
    assert!(refused.to_string().contains("another process"), "{refused}");

    neighbour.kill();
    let found = gone(&place.folder, 5);
    assert_eq!(found.started(), gone_started());
    assert!(found.started().includes(lease(11, 2)));
    assert!(!found.started().includes(lease(11, 3)));

    assert!(is_here(&place, 5), "one at a time settles it");
    drop(found);
    gone(&place.folder, 5).forget();
    assert!(is_unknown(&place, 5));
    assert_eq!(Presence::owners(&place.folder).unwrap(), []);
}

fn gone_started() -> Started {
    Started::Known(HashSet::from([lease(11, 2), lease(12, u64::MAX)]))
}

#[test]
fn a_process_that_ends_by_itself_leaves_nothing() {
    let place = place();
    let neighbour = Neighbour::beside(&place, 5);
    assert!(is_here(&place, 5));
    neighbour.leave();
    assert!(is_unknown(&place, 5));
    assert_eq!(files(&place), 0);
}

#[test]
fn one_of_many_settles_a_dead_owner() {
    let place = place();
    for round in 1..=50 {
        leave_behind(&place, round, "-");
        let (start, settled) = (Barrier::new(4), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    if let OwnerState::Dead(gone) = OwnerState::of(&place.folder, owner(round)) {
                        settled.fetch_add(1, Ordering::Relaxed);
                        gone.forget();
                    }
                });
            }
        });
        assert_eq!(settled.into_inner(), 1);
    }
}

#[test]
fn an_owner_that_enters_again_takes_a_dead_ones_place() {
    let place = place();
    leave_behind(&place, 5, "-");
    let notes = place
        .folder
        .path()
        .join("started")
        .join(owner(5).to_string());
    fs::write(&notes, [1; 16]).unwrap();
    let presence = Presence::enter(&place.folder, owner(5)).unwrap();
    assert!(is_here(&place, 5));
    assert_eq!(
        Started::by(&place.folder, owner(5)),
        Started::Known(HashSet::new())
    );
    presence.note_started(1, lease(9, 9));
    let expected = HashSet::from([lease(9, 9)]);
    assert_eq!(
        Started::by(&place.folder, owner(5)),
        Started::Known(expected)
    );
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_counts_after_a_reboot() {
    let place = place();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for (text, expected) in [
        ("another-boot", Started::AfterReboot),
        ("-", Started::Known(HashSet::new())),
        (boot.trim(), Started::Known(HashSet::new())),
    ] {
        leave_behind(&place, 5, text);
        assert_eq!(gone(&place.folder, 5).started(), expected, "{text:?}");
    }
}

#[test]
fn notes_that_can_not_be_read_count_every_lease() {
    let place = place();
    let notes = place
        .folder
        .path()
        .join("started")
        .join(owner(5).to_string());
    fs::create_dir(notes).unwrap();
    leave_behind(&place, 5, "-");
    let started = gone(&place.folder, 5).started();
    assert_eq!(started, Started::Unreadable);
    assert!(started.includes(lease(1, 1)));
}

#[test]
fn a_dead_process_s_draft_is_cleared_and_a_living_one_s_is_not() {
    let place = place();
    let owners = place.folder.path().join("owners");
    let (dead, alive) = (owners.join("dead.tmp"), owners.join("alive.tmp"));
    fs::write(&dead, "").unwrap();
    let held = File::create(&alive).unwrap();
    held.lock().unwrap();
    let _presence = Presence::enter(&place.folder, owner(1)).unwrap();
    assert!(!dead.exists());
    assert!(alive.exists());
}

#[cfg(unix)]
fn fifo(path: &std::path::Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

/// On a thread, so that a look that hangs fails the test.
#[cfg(unix)]
fn in_time<T: Send + 'static>(look: impl FnOnce() -> T + Send + 'static) -> T {
    let (say, said) = std::sync::mpsc::channel();
    std::thread::spawn(move || say.send(look()));
    said.recv_timeout(crate::CEILING)
        .expect("a look that hangs")
}

#[cfg(unix)]
#[test]
fn only_plain_files_are_looked_at() {
    let place = place();
    let path = |name: &str| place.folder.path().join(name);
    let [piped, endless] = [owner(5), owner(6)];
    for name in ["owners", "started"] {
        fifo(&path(&format!("{name}/{piped}")));
        let link = path(&format!("{name}/{endless}"));
        std::os::unix::fs::symlink("/dev/zero", link).unwrap();
    }
    fifo(&path("owners/left.tmp"));
    for number in [5, 6] {
        let folder = place.folder.clone();
        let (standing, started) = in_time(move || {
            let owner = owner(number);
            (OwnerState::of(&folder, owner), Started::by(&folder, owner))
        });
        assert!(matches!(standing, OwnerState::Unknown), "{standing:?}");
        assert_eq!(started, Started::Unreadable);
        let folder = place.folder.clone();
        let entered = in_time(move || Presence::enter(&folder, owner(number)));
        let refused = entered.unwrap_err().to_string();
        assert!(refused.contains("not a plain file"), "{refused}");
    }
}

#[test]
fn an_owner_s_file_that_is_too_long_is_not_read() {
    let place = place();
    leave_behind(&place, 5, &"-".repeat(1_000));
    assert!(is_unknown(&place, 5));
}

/// A backup that was put in place of the folder, under the feet of those who use it.
#[cfg(unix)]
#[test]
fn a_copy_of_a_living_owner_s_file_does_not_make_it_look_dead() {
    let place = place();
    let _neighbour = Neighbour::beside(&place, 5);
    let file = owner_file(&place, 5);
    for content in [fs::read(&file).unwrap(), b"-\n1\n".to_vec(), Vec::new()] {
        let copy = place.dir.path().join("copy");
        fs::write(&copy, content).unwrap();
        fs::rename(&copy, &file).unwrap();
        assert!(is_unknown(&place, 5));
    }
}
