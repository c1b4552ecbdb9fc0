//! Tests the doorbell within a process and between processes.

use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use omniq_writer::ipc::{Doorbell, Folder, Heard};

use crate::peer::Peer;
use crate::{CEILING, SharedDir, shared_dir};

/// Opens a doorbell, and returns it and its rings.
fn listen(shared: &SharedDir) -> (Doorbell, Receiver<()>) {
    let (sender, heard) = channel();
    let listener = move |heard| {
        if heard == Heard::Rung {
            sender.send(()).unwrap_or_default();
        }
    };
    (Doorbell::open(&shared.folder, listener).unwrap(), heard)
}

#[test]
fn every_doorbell_in_this_process_hears_the_bell() {
    let shared = shared_dir();
    let (first, first_heard) = listen(&shared);
    let (second, second_heard) = listen(&shared);
    for bell in [&first, &second, &first] {
        bell.ring();
        first_heard.recv_timeout(CEILING).unwrap();
        second_heard.recv_timeout(CEILING).unwrap();
    }
    drop(first);
    second.ring();
    second_heard.recv_timeout(CEILING).unwrap();
}

#[test]
fn each_folder_has_its_own_bell() {
    let (here, there) = (shared_dir(), shared_dir());
    let (bell, heard) = listen(&here);
    let (other, other_heard) = listen(&there);
    bell.ring();
    heard.recv_timeout(CEILING).unwrap();
    assert!(other_heard.try_recv().is_err());
    other.ring();
    other_heard.recv_timeout(CEILING).unwrap();
}

#[test]
fn another_process_is_heard_and_hears() {
    let shared = shared_dir();
    let (bell, heard) = listen(&shared);
    let mut peer = Peer::start(&shared, 5);
    peer.ring();
    heard.recv_timeout(CEILING).unwrap();
    peer.wait_for("heard");
    bell.ring();
    peer.wait_for("heard");
}

#[test]
fn a_deleted_bell_is_created_again_and_heard() {
    let shared = shared_dir();
    let (bell, heard) = listen(&shared);
    let file = shared.folder.path().join("bell");
    fs::remove_file(&file).unwrap();
    heard.recv_timeout(CEILING).unwrap();
    bell.ring();
    heard.recv_timeout(CEILING).unwrap();
    assert!(file.exists());
}

#[test]
fn a_deleted_folder_is_heard_again_once_the_data_is_opened_again() {
    let shared = shared_dir();
    let (bell, heard) = listen(&shared);
    fs::remove_file(shared.folder.path().join("bell")).unwrap();
    heard.recv_timeout(CEILING).unwrap();
    fs::remove_dir_all(shared.folder.path()).unwrap();
    heard.recv_timeout(CEILING).unwrap();
    bell.ring();

    Folder::open(&shared.data, "the-id").unwrap();
    let (late, late_heard) = listen(&shared);
    for bell in [&late, &bell] {
        bell.ring();
        heard.recv_timeout(CEILING).unwrap();
        late_heard.recv_timeout(CEILING).unwrap();
    }
}

#[test]
fn a_callback_may_drop_its_doorbell_and_open_others() {
    let shared = shared_dir();
    let (sender, done) = channel();
    let own: Arc<Mutex<Option<Doorbell>>> = Arc::default();
    let (taken, folder) = (own.clone(), shared.folder.clone());
    let callback = move |_| {
        let bell = taken.lock().unwrap().take();
        if let Some(bell) = bell {
            drop(Doorbell::open(&folder, |_| {}).unwrap());
            bell.ring();
            drop(bell);
            sender.send(()).unwrap();
        }
    };
    *own.lock().unwrap() = Some(Doorbell::open(&shared.folder, callback).unwrap());
    own.lock().unwrap().as_ref().unwrap().ring();
    done.recv_timeout(CEILING).unwrap();

    let (bell, heard) = listen(&shared);
    bell.ring();
    heard.recv_timeout(CEILING).unwrap();
}

#[test]
fn a_doorbell_that_is_owned_by_a_callback_is_dropped_with_it() {
    let shared = shared_dir();
    let (inner, _heard) = listen(&shared);
    let outer = Doorbell::open(&shared.folder, move |_| inner.ring()).unwrap();
    drop(outer);
    let (bell, heard) = listen(&shared);
    bell.ring();
    heard.recv_timeout(CEILING).unwrap();
}

#[test]
fn a_callback_that_panics_does_not_stop_the_others() {
    let shared = shared_dir();
    let _panics = Doorbell::open(&shared.folder, |_| panic!("on purpose")).unwrap();
    let (bell, heard) = listen(&shared);
    for _ in 0..3 {
        bell.ring();
        heard.recv_timeout(CEILING).unwrap();
    }
}

#[test]
fn doorbells_open_ring_and_close_from_many_threads() {
    let dirs = [shared_dir(), shared_dir()];
    std::thread::scope(|scope| {
        for at in 0..4 {
            let shared = &dirs[at % 2];
            scope.spawn(move || {
                for _ in 0..25 {
                    let (bell, heard) = listen(shared);
                    bell.ring();
                    heard.recv_timeout(CEILING).unwrap();
                }
            });
        }
    });
}
