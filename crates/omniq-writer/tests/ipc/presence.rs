//! Tests the presence of owners: alive, dead or unknown, and what they had started.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use omniq_core::TaskId;
use omniq_core::storage::Lease;
use omniq_writer::ipc::{DeadOwner, Folder, OwnerState, Presence, Started};

use crate::peer::Peer;
use crate::{SharedDir, owner, owner_file_content, shared_dir};

fn lease(task: i64, number: u64) -> Lease {
    let id = TaskId::from_i64(task).unwrap();
    Lease::new(id, number)
}

fn dead(folder: &Folder, number: i64) -> DeadOwner {
    match OwnerState::of(folder, owner(number)) {
        OwnerState::Dead(dead) => dead,
        other => panic!("it is {other:?}"),
    }
}

fn is_alive(shared: &SharedDir, number: i64) -> bool {
    matches!(
        OwnerState::of(&shared.folder, owner(number)),
        OwnerState::Alive
    )
}

fn is_unknown(shared: &SharedDir, number: i64) -> bool {
    matches!(
        OwnerState::of(&shared.folder, owner(number)),
        OwnerState::Unknown
    )
}

/// Counts the files of owners.
fn files(shared: &SharedDir) -> usize {
    let count = |folder: &str| {
        fs::read_dir(shared.folder.path().join(folder))
            .unwrap()
            .count()
    };
    count("owners") + count("started")
}

fn owner_file(shared: &SharedDir, number: i64) -> PathBuf {
    let owners = shared.folder.path().join("owners");
    owners.join(owner(number).to_string())
}

/// Writes the file of an owner whose process is dead, of this boot.
fn leave_behind(shared: &SharedDir, number: i64, boot: &str) {
    let path = owner_file(shared, number);
    fs::write(&path, "").unwrap();
    fs::write(&path, owner_file_content(boot, &path)).unwrap();
}

#[test]
fn an_owner_is_alive_until_it_leaves_and_then_unknown() {
    let shared = shared_dir();
    assert!(is_unknown(&shared, 1));
    let presence = Presence::enter(&shared.folder, owner(1)).unwrap();
    assert!(is_alive(&shared, 1));
    assert_eq!(Presence::owners(&shared.folder).unwrap(), [owner(1)]);
    drop(presence);
    assert!(is_unknown(&shared, 1));
    assert_eq!(files(&shared), 0);
}

#[test]
fn one_process_may_enter_twice() {
    let shared = shared_dir();
    let first = Presence::enter(&shared.folder, owner(1)).unwrap();
    let second = Presence::enter(&shared.folder, owner(1)).unwrap();
    let third = Presence::enter(&shared.folder, owner(2)).unwrap();
    drop(first);
    assert!(is_alive(&shared, 1));
    drop(second);
    assert!(is_unknown(&shared, 1));
    assert!(is_alive(&shared, 2));
    drop(third);
    let _again = Presence::enter(&shared.folder, owner(1)).unwrap();
    assert!(is_alive(&shared, 1));
}

#[test]
fn an_owner_that_comes_and_goes_never_looks_dead() {
    let shared = shared_dir();
    std::thread::scope(|scope| {
        let come_and_go = || {
            for _ in 0..200 {
                drop(Presence::enter(&shared.folder, owner(1)).unwrap());
            }
        };
        let owners = [(); 3].map(|()| scope.spawn(come_and_go));
        while owners.iter().any(|thread| !thread.is_finished()) {
            let state = OwnerState::of(&shared.folder, owner(1));
            assert!(!matches!(state, OwnerState::Dead(_)));
        }
    });
}

#[test]
fn a_killed_process_is_dead_at_the_first_check_and_what_it_started_is_known() {
    let shared = shared_dir();
    let mut peer = Peer::start(&shared, 5);
    peer.record_started(0, lease(10, 1));
    peer.record_started(3, lease(11, 2));
    peer.record_started(0, lease(12, u64::MAX));
    assert!(is_alive(&shared, 5));
    assert_eq!(
        Started::by(&shared.folder, owner(5)),
        started_before_death()
    );
    let refused = Presence::enter(&shared.folder, owner(5)).unwrap_err();
    assert!(refused.to_string().contains("another process"), "{refused}");

    peer.kill();
    let found = dead(&shared.folder, 5);
    assert_eq!(found.started(), started_before_death());
    assert!(found.started().includes(lease(11, 2)));
    assert!(!found.started().includes(lease(11, 3)));

    assert!(is_alive(&shared, 5), "one at a time settles it");
    drop(found);
    dead(&shared.folder, 5).forget();
    assert!(is_unknown(&shared, 5));
    assert_eq!(Presence::owners(&shared.folder).unwrap(), []);
}

fn started_before_death() -> Started {
    Started::Known(HashSet::from([lease(11, 2), lease(12, u64::MAX)]))
}

#[test]
fn a_process_that_exits_by_itself_leaves_no_files() {
    let shared = shared_dir();
    let peer = Peer::start(&shared, 5);
    assert!(is_alive(&shared, 5));
    peer.exit();
    assert!(is_unknown(&shared, 5));
    assert_eq!(files(&shared), 0);
}

#[test]
fn only_one_of_many_settles_a_dead_owner() {
    let shared = shared_dir();
    for round in 1..=50 {
        leave_behind(&shared, round, "-");
        let (start, settled) = (Barrier::new(4), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    if let OwnerState::Dead(dead) = OwnerState::of(&shared.folder, owner(round)) {
                        settled.fetch_add(1, Ordering::Relaxed);
                        dead.forget();
                    }
                });
            }
        });
        assert_eq!(settled.into_inner(), 1);
    }
}

#[test]
fn an_owner_that_enters_again_replaces_a_dead_one() {
    let shared = shared_dir();
    leave_behind(&shared, 5, "-");
    let record = shared
        .folder
        .path()
        .join("started")
        .join(owner(5).to_string());
    fs::write(&record, [1; 16]).unwrap();
    let presence = Presence::enter(&shared.folder, owner(5)).unwrap();
    assert!(is_alive(&shared, 5));
    assert_eq!(
        Started::by(&shared.folder, owner(5)),
        Started::Known(HashSet::new())
    );
    presence.record_started(1, lease(9, 9));
    let expected = HashSet::from([lease(9, 9)]);
    assert_eq!(
        Started::by(&shared.folder, owner(5)),
        Started::Known(expected)
    );
}

#[cfg(target_os = "linux")]
#[test]
fn no_start_counts_after_a_reboot() {
    let shared = shared_dir();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for (text, expected) in [
        ("another-boot", Started::AfterReboot),
        ("-", Started::Known(HashSet::new())),
        (boot.trim(), Started::Known(HashSet::new())),
    ] {
        leave_behind(&shared, 5, text);
        assert_eq!(dead(&shared.folder, 5).started(), expected, "{text:?}");
    }
}

#[test]
fn an_unreadable_record_counts_every_lease() {
    let shared = shared_dir();
    let record = shared
        .folder
        .path()
        .join("started")
        .join(owner(5).to_string());
    fs::create_dir(record).unwrap();
    leave_behind(&shared, 5, "-");
    let started = dead(&shared.folder, 5).started();
    assert_eq!(started, Started::Unreadable);
    assert!(started.includes(lease(1, 1)));
}

#[test]
fn a_dead_process_s_draft_is_removed_and_a_living_one_s_is_not() {
    let shared = shared_dir();
    let owners = shared.folder.path().join("owners");
    let (dead, alive) = (owners.join("dead.tmp"), owners.join("alive.tmp"));
    fs::write(&dead, "").unwrap();
    let held = File::create(&alive).unwrap();
    held.lock().unwrap();
    let _presence = Presence::enter(&shared.folder, owner(1)).unwrap();
    assert!(!dead.exists());
    assert!(alive.exists());
}

#[cfg(unix)]
fn fifo(path: &std::path::Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

/// Calls it on a thread of its own, so that the test fails if it hangs.
#[cfg(unix)]
fn in_time<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(call()));
    receiver
        .recv_timeout(crate::CEILING)
        .expect("the call hangs")
}

#[cfg(unix)]
#[test]
fn only_regular_files_are_read() {
    let shared = shared_dir();
    let path = |name: &str| shared.folder.path().join(name);
    let [piped, endless] = [owner(5), owner(6)];
    for name in ["owners", "started"] {
        fifo(&path(&format!("{name}/{piped}")));
        let link = path(&format!("{name}/{endless}"));
        std::os::unix::fs::symlink("/dev/zero", link).unwrap();
    }
    fifo(&path("owners/left.tmp"));
    for number in [5, 6] {
        let folder = shared.folder.clone();
        let (state, started) = in_time(move || {
            let owner = owner(number);
            (OwnerState::of(&folder, owner), Started::by(&folder, owner))
        });
        assert!(matches!(state, OwnerState::Unknown), "{state:?}");
        assert_eq!(started, Started::Unreadable);
        let folder = shared.folder.clone();
        let entered = in_time(move || Presence::enter(&folder, owner(number)));
        let refused = entered.unwrap_err().chain().to_string();
        assert!(refused.contains("not a regular file"), "{refused}");
    }
}

#[test]
fn an_owner_s_file_that_is_too_long_is_not_read() {
    let shared = shared_dir();
    leave_behind(&shared, 5, &"-".repeat(1_000));
    assert!(is_unknown(&shared, 5));
}

/// As if a backup replaced the folder while processes use it.
#[cfg(unix)]
#[test]
fn a_copy_of_a_living_owner_s_file_does_not_make_it_look_dead() {
    let shared = shared_dir();
    let _peer = Peer::start(&shared, 5);
    let file = owner_file(&shared, 5);
    for content in [fs::read(&file).unwrap(), b"-\n1\n".to_vec(), Vec::new()] {
        let copy = shared.dir.path().join("copy");
        fs::write(&copy, content).unwrap();
        fs::rename(&copy, &file).unwrap();
        assert!(is_unknown(&shared, 5));
    }
}
