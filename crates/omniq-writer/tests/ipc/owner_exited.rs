//! Tests that the exit of an owner's process is heard, and that a check for it is not.

use std::fs;
use std::sync::mpsc::{Receiver, channel};

use omniq_writer::ipc::{Doorbell, Folder, Heard, OwnerState, Presence};

use crate::peer::Peer;
use crate::{CEILING, SharedDir, owner, owner_file_content, shared_dir};

/// Opens a doorbell, and returns it and all that it hears.
fn listen(shared: &SharedDir) -> (Doorbell, Receiver<Heard>) {
    let (sender, heard) = channel();
    let listener = move |heard| sender.send(heard).unwrap_or_default();
    (Doorbell::open(&shared.folder, listener).unwrap(), heard)
}

fn wait_for(heard: &Receiver<Heard>, expected: Heard) {
    while heard.recv_timeout(CEILING).unwrap() != expected {}
}

/// Rings, and returns what was heard before that: events come in order.
fn heard_until_rung(bell: &Doorbell, heard: &Receiver<Heard>) -> Vec<Heard> {
    bell.ring();
    let next = || heard.recv_timeout(CEILING).unwrap();
    std::iter::from_fn(|| Some(next()).filter(|heard| *heard != Heard::Rung)).collect()
}

#[test]
fn a_killed_process_is_heard() {
    let shared = shared_dir();
    let (bell, heard) = listen(&shared);
    assert!(bell.hears_owners());
    let peer = Peer::start(&shared, 5);
    assert_eq!(heard_until_rung(&bell, &heard), []);
    peer.kill();
    wait_for(&heard, Heard::OwnerExited);
    let found = OwnerState::of(&shared.folder, owner(5));
    assert!(matches!(found, OwnerState::Dead(_)), "{found:?}");
}

#[test]
fn a_process_that_exits_by_itself_is_heard() {
    let shared = shared_dir();
    let (_bell, heard) = listen(&shared);
    Peer::start(&shared, 5).exit();
    wait_for(&heard, Heard::OwnerExited);
}

#[test]
fn a_check_of_the_owners_is_not_heard() {
    let shared = shared_dir();
    let (bell, heard) = listen(&shared);
    let _here = Presence::enter(&shared.folder, owner(1)).unwrap();
    let peer = Peer::start(&shared, 5);
    let dead = shared
        .folder
        .path()
        .join("owners")
        .join(owner(7).to_string());
    fs::rename(leftover(&shared), dead).unwrap();
    heard_until_rung(&bell, &heard);
    for _ in 0..100 {
        for one in Presence::owners(&shared.folder).unwrap() {
            let state = OwnerState::of(&shared.folder, one);
            assert_eq!(matches!(state, OwnerState::Dead(_)), one == owner(7));
        }
    }
    match OwnerState::of(&shared.folder, owner(7)) {
        OwnerState::Dead(dead) => dead.forget(),
        other => panic!("it is {other:?}"),
    }
    assert_eq!(heard_until_rung(&bell, &heard), []);
    drop(peer);
}

/// Writes an owner's file under a name that is not an owner's.
fn leftover(shared: &SharedDir) -> std::path::PathBuf {
    let path = shared.folder.path().join("leftover");
    fs::write(&path, "").unwrap();
    fs::write(&path, owner_file_content("-", &path)).unwrap();
    path
}

#[test]
fn processes_that_hear_an_exit_and_check_do_not_wake_each_other() {
    let shared = shared_dir();
    let (bell, heard) = listen(&shared);
    let peers = [Peer::start(&shared, 5), Peer::start(&shared, 6)];
    Peer::start(&shared, 7).kill();
    peers.iter().for_each(|peer| peer.wait_for("checked"));
    wait_for(&heard, Heard::OwnerExited);
    for _ in 0..20 {
        assert_eq!(heard_until_rung(&bell, &heard), []);
        for peer in &peers {
            assert_eq!(peer.output_before("heard"), Vec::<String>::new());
        }
    }
}

#[test]
fn an_owners_folder_that_was_created_again_is_heard() {
    let shared = shared_dir();
    let (bell, heard) = listen(&shared);
    fs::remove_dir_all(shared.folder.path().join("owners")).unwrap();
    wait_for(&heard, Heard::OwnerExited);
    Folder::open(&shared.data, "the-id").unwrap();
    wait_for(&heard, Heard::OwnerExited);
    heard_until_rung(&bell, &heard);
    assert!(bell.hears_owners());
    Peer::start(&shared, 5).kill();
    wait_for(&heard, Heard::OwnerExited);
}

#[test]
fn a_folder_that_was_deleted_and_created_again_is_heard_once_the_data_is_opened_again() {
    let shared = shared_dir();
    let (bell, heard) = listen(&shared);
    fs::remove_dir_all(shared.folder.path()).unwrap();
    wait_for(&heard, Heard::OwnerExited);
    Folder::open(&shared.data, "the-id").unwrap();
    let (_late, late_heard) = listen(&shared);
    assert!(bell.hears_owners());
    Peer::start(&shared, 5).kill();
    wait_for(&heard, Heard::OwnerExited);
    wait_for(&late_heard, Heard::OwnerExited);
}
