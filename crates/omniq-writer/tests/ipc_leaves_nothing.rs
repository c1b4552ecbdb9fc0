//! Counts the descriptors and threads of the whole process, and so is the only test of its program.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use omniq_core::OwnerId;
use omniq_writer::ipc::{Doorbell, Folder, Presence};

const CEILING: Duration = Duration::from_secs(20);

/// The numbers of descriptors, threads and inotify instances.
#[derive(Debug, PartialEq, Eq)]
struct Holds([usize; 3]);

fn holds() -> Holds {
    let count = |what: &str| fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = descriptors.filter_map(|fd| fs::read_link(fd.path()).ok());
    let inotify = targets.filter(|target| target.as_os_str() == "anon_inode:inotify");
    Holds([count("fd"), count("task"), inotify.count()])
}

/// Threads end soon after they are asked to.
fn wait_until(expected: &Holds) {
    let end = Instant::now() + CEILING;
    while holds() != *expected {
        assert!(
            Instant::now() < end,
            "{:?} instead of {expected:?}",
            holds()
        );
        std::thread::yield_now();
    }
}

#[test]
fn many_doorbells_share_one_watcher_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("jobs.db");
    File::create(&data).unwrap();
    let folder = Folder::open(&data, "the-id").unwrap();
    let owner = OwnerId::from_i64(1).unwrap();
    let before = holds();

    for _ in 0..200 {
        let (sender, heard) = channel();
        let bell = Doorbell::open(&folder, move |_| sender.send(()).unwrap_or_default()).unwrap();
        let presence = Presence::enter(&folder, owner).unwrap();
        bell.ring();
        heard.recv_timeout(CEILING).unwrap();
        drop((bell, presence));
        let Holds([_, _, inotify]) = holds();
        assert_eq!(inotify, 0);
    }
    wait_until(&before);

    let (sender, heard) = channel();
    let bells: Vec<_> = (0..1_000)
        .map(|_| {
            let sender = sender.clone();
            Doorbell::open(&folder, move |_| sender.send(()).unwrap_or_default()).unwrap()
        })
        .collect();
    let Holds([descriptors, threads, inotify]) = holds();
    let Holds([descriptors_before, threads_before, _]) = before;
    assert_eq!(inotify, 1);
    assert_eq!(threads, threads_before + 2);
    // One for inotify, two for the poll and its waker, and one for the bell.
    assert!(
        descriptors <= descriptors_before + 4,
        "{descriptors} descriptors"
    );
    bells[0].ring();
    for _ in &bells {
        heard.recv_timeout(CEILING).unwrap();
    }
    drop(bells);
    wait_until(&before);
}
