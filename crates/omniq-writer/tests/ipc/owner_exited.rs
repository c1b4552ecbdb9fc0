//! Who hears that an owner's process ended, and that looking for it is not heard.

use std::fs;
use std::sync::mpsc::{Receiver, channel};

use omniq_writer::ipc::{Doorbell, Folder, Heard, OwnerState, Presence};

use crate::neighbour::Neighbour;
use crate::{CEILING, Place, introduction, owner, place};

/// A doorbell, and all that it hears.
fn listen(place: &Place) -> (Doorbell, Receiver<Heard>) {
    let (say, heard) = channel();
    let hearer = move |heard| say.send(heard).unwrap_or_default();
    (Doorbell::open(&place.folder, hearer).unwrap(), heard)
}

fn wait_for(heard: &Receiver<Heard>, wished: Heard) {
    while heard.recv_timeout(CEILING).unwrap() != wished {}
}

/// What was heard before this bell rang: events come in their order.
fn heard_until_rung(bell: &Doorbell, heard: &Receiver<Heard>) -> Vec<Heard> {
    bell.ring();
    let next = || heard.recv_timeout(CEILING).unwrap();
    std::iter::from_fn(|| Some(next()).filter(|heard| *heard != Heard::Rung)).collect()
}

#[test]
fn a_killed_process_is_heard() {
    let place = place();
    let (bell, heard) = listen(&place);
    assert!(bell.hears_owners());
    let neighbour = Neighbour::beside(&place, 5);
    assert_eq!(heard_until_rung(&bell, &heard), []);
    neighbour.kill();
    wait_for(&heard, Heard::OwnerExited);
    let found = OwnerState::of(&place.folder, owner(5));
    assert!(matches!(found, OwnerState::Dead(_)), "{found:?}");
}

#[test]
fn one_that_leaves_by_itself_is_heard() {
    let place = place();
    let (_bell, heard) = listen(&place);
    Neighbour::beside(&place, 5).leave();
    wait_for(&heard, Heard::OwnerExited);
}

#[test]
fn nobody_hears_a_look_at_the_owners() {
    let place = place();
    let (bell, heard) = listen(&place);
    let _here = Presence::enter(&place.folder, owner(1)).unwrap();
    let neighbour = Neighbour::beside(&place, 5);
    let dead = place
        .folder
        .path()
        .join("owners")
        .join(owner(7).to_string());
    fs::rename(leftover(&place), dead).unwrap();
    heard_until_rung(&bell, &heard);
    for _ in 0..100 {
        for one in Presence::owners(&place.folder).unwrap() {
            let standing = OwnerState::of(&place.folder, one);
            assert_eq!(matches!(standing, OwnerState::Dead(_)), one == owner(7));
        }
    }
    match OwnerState::of(&place.folder, owner(7)) {
        OwnerState::Dead(gone) => gone.forget(),
        other => panic!("it is {other:?}"),
    }
    assert_eq!(heard_until_rung(&bell, &heard), []);
    drop(neighbour);
}

/// A file under no owner's name.
fn leftover(place: &Place) -> std::path::PathBuf {
    let path = place.folder.path().join("leftover");
    fs::write(&path, "").unwrap();
    fs::write(&path, introduction("-", &path)).unwrap();
    path
}

#[test]
fn those_who_hear_and_look_do_not_wake_each_other() {
    let place = place();
    let (bell, heard) = listen(&place);
    let looks = [Neighbour::beside(&place, 5), Neighbour::beside(&place, 6)];
    Neighbour::beside(&place, 7).kill();
    looks.iter().for_each(|one| one.wait_for("looked"));
    wait_for(&heard, Heard::OwnerExited);
    for _ in 0..20 {
        assert_eq!(heard_until_rung(&bell, &heard), []);
        for one in &looks {
            assert_eq!(one.says_before("heard"), Vec::<String>::new());
        }
    }
}

#[test]
fn an_owners_folder_that_was_made_again_is_heard() {
    let place = place();
    let (bell, heard) = listen(&place);
    fs::remove_dir_all(place.folder.path().join("owners")).unwrap();
    wait_for(&heard, Heard::OwnerExited);
    Folder::open(&place.data, "the-id").unwrap();
    wait_for(&heard, Heard::OwnerExited);
    heard_until_rung(&bell, &heard);
    assert!(bell.hears_owners());
    Neighbour::beside(&place, 5).kill();
    wait_for(&heard, Heard::OwnerExited);
}

#[test]
fn a_folder_that_was_deleted_and_made_again_is_heard_once_the_data_is_opened_again() {
    let place = place();
    let (bell, heard) = listen(&place);
    fs::remove_dir_all(place.folder.path()).unwrap();
    wait_for(&heard, Heard::OwnerExited);
    Folder::open(&place.data, "the-id").unwrap();
    let (_late, late_heard) = listen(&place);
    assert!(bell.hears_owners());
    Neighbour::beside(&place, 5).kill();
    wait_for(&heard, Heard::OwnerExited);
    wait_for(&late_heard, Heard::OwnerExited);
}
