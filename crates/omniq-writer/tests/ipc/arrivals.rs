//! Files that arrive in a folder that a storage names.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};

use omniq_writer::ipc::{Doorbell, Heard};

use crate::{CEILING, Place, place};

fn listen(place: &Place) -> (Doorbell, Receiver<()>, PathBuf) {
    let incoming = place.dir.path().join("incoming");
    fs::create_dir(&incoming).unwrap();
    let folder = place.folder.clone().with_arrivals(&incoming);
    let (say, heard) = channel();
    let hearer = move |heard| {
        if heard == Heard::Rung {
            say.send(()).unwrap_or_default();
        }
    };
    (Doorbell::open(&folder, hearer).unwrap(), heard, incoming)
}

#[test]
fn a_file_that_arrives_is_heard_and_one_that_leaves_is_not() {
    let place = place();
    let (bell, heard, incoming) = listen(&place);
    let elsewhere = place.dir.path().join("elsewhere");
    fs::write(&elsewhere, "1").unwrap();
    for name in ["moved", "odd \n name"] {
        fs::rename(&elsewhere, incoming.join(name)).unwrap();
        heard.recv_timeout(CEILING).unwrap();
        fs::rename(incoming.join(name), &elsewhere).unwrap();
    }
    // What is told of comes in order: had the leaving been heard, there would be two.
    assert!(heard.try_recv().is_err());
    bell.ring();
    heard.recv_timeout(CEILING).unwrap();
    assert!(heard.try_recv().is_err());
    // These are called as files of ours are.
    for name in ["written", "bell", "owners"] {
        fs::write(incoming.join(name), "1").unwrap();
        heard.recv_timeout(CEILING).unwrap();
    }
}

#[test]
fn a_folder_that_was_made_again_is_heard_once_the_data_is_opened_again() {
    let place = place();
    let (bell, heard, incoming) = listen(&place);
    fs::remove_dir(&incoming).unwrap();
    heard.recv_timeout(CEILING).unwrap();
    drop(bell);
    let (_bell, heard, incoming) = listen(&place);
    fs::write(incoming.join("written"), "1").unwrap();
    heard.recv_timeout(CEILING).unwrap();
}
