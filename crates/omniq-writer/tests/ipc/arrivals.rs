//! Files that arrive in a folder that a storage names.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

use omniq_writer::ipc::{Doorbell, Heard};

use crate::{CEILING, SharedDir, shared_dir};

fn listen(shared: &SharedDir) -> (Doorbell, Receiver<()>, PathBuf) {
    let incoming = shared.dir.path().join("incoming");
    fs::create_dir(&incoming).unwrap();
    let folder = shared.folder.clone().with_arrivals(&incoming);
    let (sender, heard) = channel();
    let listener = move |heard| {
        if heard == Heard::Rung {
            sender.send(()).unwrap_or_default();
        }
    };
    (Doorbell::open(&folder, listener).unwrap(), heard, incoming)
}

#[test]
fn a_file_that_arrives_is_heard_and_one_that_leaves_is_not() {
    let shared = shared_dir();
    let (bell, heard, incoming) = listen(&shared);
    let elsewhere = shared.dir.path().join("elsewhere");
    fs::write(&elsewhere, "1").unwrap();
    for name in ["moved", "odd \n name"] {
        fs::rename(&elsewhere, incoming.join(name)).unwrap();
        heard.recv_timeout(CEILING).unwrap();
        fs::rename(incoming.join(name), &elsewhere).unwrap();
    }
    // Events come in order: if the leaving file were heard, there would be two.
    assert!(heard.try_recv().is_err());
    bell.ring();
    heard.recv_timeout(CEILING).unwrap();
    assert!(heard.try_recv().is_err());
    // These have the names of our own files.
    for name in ["written", "bell", "owners"] {
        fs::write(incoming.join(name), "1").unwrap();
        heard.recv_timeout(CEILING).unwrap();
    }
}

#[test]
fn a_folder_that_was_created_again_is_heard_once_the_data_is_opened_again() {
    let shared = shared_dir();
    let (bell, heard, incoming) = listen(&shared);
    fs::remove_dir(&incoming).unwrap();
    heard.recv_timeout(CEILING).unwrap();
    drop(bell);
    let (_bell, heard, incoming) = listen(&shared);
    fs::write(incoming.join("written"), "1").unwrap();
    heard.recv_timeout(CEILING).unwrap();
}
