use std::error::Error as _;
use std::fs;
use std::path::Path;
use std::sync::Barrier;

use omniq_writer::ipc::{Folder, OwnerState, Presence};

use crate::neighbour::Neighbour;
use crate::{Place, owner, place};

#[test]
fn the_same_data_leads_to_the_same_folder() {
    let place = place();
    assert_eq!(place.folder.path().file_name().unwrap(), "jobs.db-omniq");
    let again = Folder::open(&place.data, "the-id").unwrap();
    assert_eq!(again.path(), place.folder.path());
    for name in ["id", "bell", "owners", "started"] {
        assert!(place.folder.path().join(name).exists(), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_the_data_leads_to_the_same_folder() {
    let place = place();
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link.db");
    std::os::unix::fs::symlink(&place.data, &link).unwrap();
    let linked = Folder::open(&link, "the-id").unwrap();
    assert_eq!(linked.path(), place.folder.path());
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
}

#[test]
fn a_moved_folder_is_not_trusted_until_it_is_deleted() {
    let place = place();
    let elsewhere = tempfile::tempdir().unwrap();
    let (old, new) = (
        place.folder.path().to_owned(),
        elsewhere.path().canonicalize().unwrap(),
    );
    let (data, folder) = (new.join("jobs.db"), new.join("jobs.db-omniq"));
    fs::rename(&place.data, &data).unwrap();
    fs::rename(&old, &folder).unwrap();

    let off = Folder::open(&data, "the-id").unwrap_err().to_string();
    let was = old.to_str().unwrap().strip_suffix("-omniq").unwrap();
    assert!(off.contains(&format!("was made for {was} ")), "{off}");
    assert!(
        off.contains(&format!("delete {}", folder.display())),
        "{off}"
    );

    fs::remove_dir_all(&folder).unwrap();
    Folder::open(&data, "the-id").unwrap();
}

#[test]
fn a_copied_folder_is_not_trusted_but_the_original_is() {
    let place = place();
    let copy = place.dir.path().join("copy.db");
    let beside = place.dir.path().join("copy.db-omniq");
    fs::copy(&place.data, &copy).unwrap();
    fs::create_dir(&beside).unwrap();
    fs::copy(place.folder.path().join("id"), beside.join("id")).unwrap();
    assert!(Folder::open(&copy, "the-id").is_err());
    Folder::open(&place.data, "the-id").unwrap();
}

#[test]
fn a_folder_of_other_data_is_not_trusted() {
    let place = place();
    for text in ["", "the-id", "another-id\n/elsewhere/jobs.db\n"] {
        fs::write(place.folder.path().join("id"), text).unwrap();
        let off = Folder::open(&place.data, "a-third-id").unwrap_err();
        assert!(off.to_string().contains("belongs to other data"), "{off}");
    }
}

#[test]
fn what_a_deleted_database_left_is_taken_over() {
    let place = place();
    for number in 1..=3 {
        leave_behind(&place, number);
    }
    fs::write(place.folder.path().join("owners/a-name"), "").unwrap();
    let folder = Folder::open(&place.data, "another-id").unwrap();
    assert!(matches!(
        OwnerState::of(&folder, owner(1)),
        OwnerState::Unknown
    ));
    assert_eq!(Presence::owners(&folder).unwrap(), []);
    let notes = fs::read_dir(folder.path().join("started")).unwrap();
    assert_eq!(notes.count(), 0);
    assert!(folder.path().join("owners/a-name").exists(), "not an owner");
    Folder::open(&place.data, "another-id").unwrap();
}

#[test]
fn while_an_owner_of_the_deleted_database_lives_its_folder_is_kept() {
    let place = place();
    leave_behind(&place, 1);
    let neighbour = Neighbour::beside(&place, 5);
    let off = Folder::open(&place.data, "another-id").unwrap_err();
    let text = off.to_string();
    for part in [
        "another database at this path",
        "end the processes",
        "or delete",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(
        Presence::owners(&place.folder).unwrap().len(),
        2,
        "all are kept"
    );
    Folder::open(&place.data, "the-id").unwrap();

    neighbour.kill();
    Folder::open(&place.data, "another-id").unwrap();
}

#[test]
fn those_who_take_a_folder_over_at_once_agree() {
    for _ in 0..20 {
        let place = place();
        (1..=5).for_each(|number| leave_behind(&place, number));
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for number in 11..=18 {
                let (start, place) = (&start, &place);
                scope.spawn(move || {
                    start.wait();
                    let folder = Folder::open(&place.data, "another-id").unwrap();
                    let presence = Presence::enter(&folder, owner(number)).unwrap();
                    let standing = OwnerState::of(&folder, owner(number));
                    assert!(matches!(standing, OwnerState::Alive), "{standing:?}");
                    drop(presence);
                });
            }
        });
        let owners = fs::read_dir(place.folder.path().join("owners")).unwrap();
        assert_eq!(owners.count(), 0);
    }
}

/// The files of an owner whose process is gone.
fn leave_behind(place: &Place, number: i64) {
    for (folder, text) in [("owners", "-\n1\n"), ("started", "")] {
        let name = format!("{folder}/{}", owner(number));
        fs::write(place.folder.path().join(name), text).unwrap();
    }
}

#[test]
fn what_can_not_be_written_is_off_with_the_cause() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("jobs.db");
    let missing = Folder::open(&data, "the-id").unwrap_err();
    assert!(missing.source().is_some(), "{missing}");

    fs::write(&data, "").unwrap();
    fs::write(dir.path().join("jobs.db-omniq"), "in the way").unwrap();
    let blocked = Folder::open(&data, "the-id").unwrap_err();
    assert!(blocked.source().is_some(), "{blocked}");

    if cfg!(target_os = "linux") {
        let refused = Folder::open(Path::new("/proc/version"), "the-id").unwrap_err();
        assert!(refused.source().is_some(), "{refused}");
        assert!(
            refused.to_string().contains("/proc/version-omniq"),
            "{refused}"
        );
    }
}

#[test]
fn creators_that_race_settle_on_one() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("jobs.db");
        fs::write(&data, "").unwrap();
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    Folder::open(&data, "the-id").unwrap();
                });
            }
        });
        let owners = dir.path().join("jobs.db-omniq/owners");
        assert_eq!(fs::read_dir(owners).unwrap().count(), 0, "a draft was left");
    }
}

#[cfg(unix)]
#[test]
fn whoever_may_write_the_data_may_write_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("jobs.db");
    fs::write(&data, "").unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o660)).unwrap();
    let folder = Folder::open(&data, "the-id").unwrap();
    let owner = crate::owner(3);
    let _presence = omniq_writer::ipc::Presence::enter(&folder, owner).unwrap();
    let mode = |name: &str| {
        let path = folder.path().join(name);
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!([mode(""), mode("owners"), mode("started")], [0o770; 3]);
    let files = [
        mode("id"),
        mode("bell"),
        mode(&format!("owners/{owner}")),
        mode(&format!("started/{owner}")),
    ];
    assert_eq!(files, [0o660; 4]);
}

#[cfg(unix)]
#[test]
fn what_is_not_a_plain_file_is_refused_at_once() {
    for name in ["id", "bell"] {
        for make in ["mkfifo", "ln -s /dev/zero"] {
            let place = place();
            let file = place.folder.path().join(name);
            fs::remove_file(&file).unwrap();
            let make = format!("{make} '{}'", file.display());
            let made = std::process::Command::new("sh")
                .args(["-c", &make])
                .status();
            assert!(made.unwrap().success());
            let (say, said) = std::sync::mpsc::channel();
            std::thread::spawn(move || say.send(Folder::open(&place.data, "the-id")));
            let opened = said.recv_timeout(crate::CEILING).unwrap();
            let off = opened.unwrap_err().to_string();
            assert!(off.contains("not a plain file"), "{make}: {off}");
        }
    }
}
