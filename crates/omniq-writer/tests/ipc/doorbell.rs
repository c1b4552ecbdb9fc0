use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use omniq_writer::ipc::{Doorbell, Folder, Heard};

use crate::neighbour::Neighbour;
use crate::{CEILING, Place, place};

/// A doorbell, and what it hears.
fn listen(place: &Place) -> (Doorbell, Receiver<()>) {
    let (say, heard) = channel();
    let hearer = move |heard| {
        if heard == Heard::Rung {
            say.send(()).unwrap_or_default();
        }
    };
    (Doorbell::open(&place.folder, hearer).unwrap(), heard)
}

#[test]
fn everybody_in_this_process_hears_the_bell() {
    let place = place();
    let (first, first_heard) = listen(&place);
    let (second, second_heard) = listen(&place);
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
    let (here, there) = (place(), place());
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
    let place = place();
    let (bell, heard) = listen(&place);
    let mut neighbour = Neighbour::beside(&place, 5);
    neighbour.ring();
    heard.recv_timeout(CEILING).unwrap();
    neighbour.wait_for("heard");
    bell.ring();
    neighbour.wait_for("heard");
}

#[test]
fn a_deleted_bell_is_made_again_and_heard() {
    let place = place();
    let (bell, heard) = listen(&place);
    let file = place.folder.path().join("bell");
    fs::remove_file(&file).unwrap();
    heard.recv_timeout(CEILING).unwrap();
    bell.ring();
    heard.recv_timeout(CEILING).unwrap();
    assert!(file.exists());
}

#[test]
fn a_deleted_folder_is_heard_again_once_the_data_is_opened_again() {
    let place = place();
    let (bell, heard) = listen(&place);
    fs::remove_file(place.folder.path().join("bell")).unwrap();
    heard.recv_timeout(CEILING).unwrap();
    fs::remove_dir_all(place.folder.path()).unwrap();
    heard.recv_timeout(CEILING).unwrap();
    bell.ring();

    Folder::open(&place.data, "the-id").unwrap();
    let (late, late_heard) = listen(&place);
    for bell in [&late, &bell] {
        bell.ring();
        heard.recv_timeout(CEILING).unwrap();
        late_heard.recv_timeout(CEILING).unwrap();
    }
}

#[test]
fn a_callback_may_drop_its_doorbell_and_open_others() {
    let place = place();
    let (say, done) = channel();
    let own: Arc<Mutex<Option<Doorbell>>> = Arc::default();
    let (mine, folder) = (own.clone(), place.folder.clone());
    let callback = move |_| {
        let bell = mine.lock().unwrap().take();
        if let Some(bell) = bell {
            drop(Doorbell::open(&folder, |_| {}).unwrap());
            bell.ring();
            drop(bell);
            say.send(()).unwrap();
        }
    };
    *own.lock().unwrap() = Some(Doorbell::open(&place.folder, callback).unwrap());
    own.lock().unwrap().as_ref().unwrap().ring();
    done.recv_timeout(CEILING).unwrap();

    let (bell, heard) = listen(&place);
    bell.ring();
    heard.recv_timeout(CEILING).unwrap();
}

#[test]
fn a_doorbell_that_is_owned_by_a_callback_goes_with_it() {
    let place = place();
    let (inner, _heard) = listen(&place);
    let outer = Doorbell::open(&place.folder, move |_| inner.ring()).unwrap();
    drop(outer);
    let (bell, heard) = listen(&place);
    bell.ring();
    heard.recv_timeout(CEILING).unwrap();
}

#[test]
fn a_callback_that_panics_leaves_the_others_hearing() {
    let place = place();
    let _panics = Doorbell::open(&place.folder, |_| panic!("on purpose")).unwrap();
    let (bell, heard) = listen(&place);
    for _ in 0..3 {
        bell.ring();
        heard.recv_timeout(CEILING).unwrap();
    }
}

#[test]
fn doorbells_open_ring_and_close_from_many_threads() {
    let places = [place(), place()];
    std::thread::scope(|scope| {
        for at in 0..4 {
            let place = &places[at % 2];
            scope.spawn(move || {
                for _ in 0..25 {
                    let (bell, heard) = listen(place);
                    bell.ring();
                    heard.recv_timeout(CEILING).unwrap();
                }
            });
        }
    });
}
