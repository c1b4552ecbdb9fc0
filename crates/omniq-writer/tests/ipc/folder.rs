//! Tests the folder beside the data: to which data it belongs.

use std::error::Error as _;
use std::fs;
use std::path::Path;
use std::sync::Barrier;

use omniq_writer::ipc::{Folder, OwnerState, Presence};

use crate::peer::Peer;
use crate::{SharedDir, owner, shared_dir};

#[test]
fn the_same_data_leads_to_the_same_folder() {
    let shared = shared_dir();
    assert_eq!(shared.folder.path().file_name().unwrap(), "jobs.db-omniq");
    let again = Folder::open(&shared.data, "the-id").unwrap();
    assert_eq!(again.path(), shared.folder.path());
    for name in ["id", "bell", "owners", "started"] {
        assert!(shared.folder.path().join(name).exists(), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_the_data_leads_to_the_same_folder() {
    let shared = shared_dir();
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link.db");
    std::os::unix::fs::symlink(&shared.data, &link).unwrap();
    let linked = Folder::open(&link, "the-id").unwrap();
    assert_eq!(linked.path(), shared.folder.path());
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
}

#[test]
fn a_moved_folder_is_not_trusted_until_it_is_deleted() {
    let shared = shared_dir();
    let elsewhere = tempfile::tempdir().unwrap();
    let (old, new) = (
        shared.folder.path().to_owned(),
        elsewhere.path().canonicalize().unwrap(),
    );
    let (data, folder) = (new.join("jobs.db"), new.join("jobs.db-omniq"));
    fs::rename(&shared.data, &data).unwrap();
    fs::rename(&old, &folder).unwrap();

    let error = Folder::open(&data, "the-id").unwrap_err().to_string();
    let was = old.to_str().unwrap().strip_suffix("-omniq").unwrap();
    assert!(
        error.contains(&format!("was created for {was} ")),
        "{error}"
    );
    assert!(
        error.contains(&format!("delete {}", folder.display())),
        "{error}"
    );

    fs::remove_dir_all(&folder).unwrap();
    Folder::open(&data, "the-id").unwrap();
}

#[test]
fn a_copied_folder_is_not_trusted_but_the_original_is() {
    let shared = shared_dir();
    let copy = shared.dir.path().join("copy.db");
    let beside = shared.dir.path().join("copy.db-omniq");
    fs::copy(&shared.data, &copy).unwrap();
    fs::create_dir(&beside).unwrap();
    fs::copy(shared.folder.path().join("id"), beside.join("id")).unwrap();
    assert!(Folder::open(&copy, "the-id").is_err());
    Folder::open(&shared.data, "the-id").unwrap();
}

#[test]
fn a_folder_of_other_data_is_not_trusted() {
    let shared = shared_dir();
    for text in ["", "the-id", "another-id\n/elsewhere/jobs.db\n"] {
        fs::write(shared.folder.path().join("id"), text).unwrap();
        let error = Folder::open(&shared.data, "a-third-id").unwrap_err();
        assert!(
            error.to_string().contains("belongs to other data"),
            "{error}"
        );
    }
}

#[test]
fn the_folder_of_a_deleted_database_is_taken_over() {
    let shared = shared_dir();
    for number in 1..=3 {
        leave_behind(&shared, number);
    }
    fs::write(shared.folder.path().join("owners/a-name"), "").unwrap();
    let folder = Folder::open(&shared.data, "another-id").unwrap();
    assert!(matches!(
        OwnerState::of(&folder, owner(1)),
        OwnerState::Unknown
    ));
    assert_eq!(Presence::owners(&folder).unwrap(), []);
    let started = fs::read_dir(folder.path().join("started")).unwrap();
    assert_eq!(started.count(), 0);
    assert!(folder.path().join("owners/a-name").exists(), "not an owner");
    Folder::open(&shared.data, "another-id").unwrap();
}

#[test]
fn the_folder_of_a_deleted_database_is_kept_while_one_of_its_owners_is_alive() {
    let shared = shared_dir();
    leave_behind(&shared, 1);
    let peer = Peer::start(&shared, 5);
    let error = Folder::open(&shared.data, "another-id").unwrap_err();
    let text = error.to_string();
    for part in [
        "another database at this path",
        "end the processes",
        "or delete",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(
        Presence::owners(&shared.folder).unwrap().len(),
        2,
        "all are kept"
    );
    Folder::open(&shared.data, "the-id").unwrap();

    peer.kill();
    Folder::open(&shared.data, "another-id").unwrap();
}

#[test]
fn processes_that_take_a_folder_over_at_the_same_time_agree() {
    for _ in 0..20 {
        let shared = shared_dir();
        (1..=5).for_each(|number| leave_behind(&shared, number));
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for number in 11..=18 {
                let (start, shared) = (&start, &shared);
                scope.spawn(move || {
                    start.wait();
                    let folder = Folder::open(&shared.data, "another-id").unwrap();
                    let presence = Presence::enter(&folder, owner(number)).unwrap();
                    let state = OwnerState::of(&folder, owner(number));
                    assert!(matches!(state, OwnerState::Alive), "{state:?}");
                    drop(presence);
                });
            }
        });
        let owners = fs::read_dir(shared.folder.path().join("owners")).unwrap();
        assert_eq!(owners.count(), 0);
    }
}

/// Writes the files of an owner whose process is dead.
fn leave_behind(shared: &SharedDir, number: i64) {
    for (folder, text) in [("owners", "-\n1\n"), ("started", "")] {
        let name = format!("{folder}/{}", owner(number));
        fs::write(shared.folder.path().join(name), text).unwrap();
    }
}

#[test]
fn a_folder_that_can_not_be_written_is_off_with_the_cause() {
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
fn processes_that_create_a_folder_at_the_same_time_agree() {
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
fn the_folder_has_the_permissions_of_the_data() {
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
fn anything_but_a_regular_file_is_refused_without_waiting() {
    for name in ["id", "bell"] {
        for make in ["mkfifo", "ln -s /dev/zero"] {
            let shared = shared_dir();
            let file = shared.folder.path().join(name);
            fs::remove_file(&file).unwrap();
            let make = format!("{make} '{}'", file.display());
            let made = std::process::Command::new("sh")
                .args(["-c", &make])
                .status();
            assert!(made.unwrap().success());
            let (sender, receiver) = std::sync::mpsc::channel();
            std::thread::spawn(move || sender.send(Folder::open(&shared.data, "the-id")));
            let opened = receiver.recv_timeout(crate::CEILING).unwrap();
            let error = opened.unwrap_err().chain().to_string();
            assert!(error.contains("not a regular file"), "{make}: {error}");
        }
    }
}
