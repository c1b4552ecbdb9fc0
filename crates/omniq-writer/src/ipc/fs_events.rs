//! From the file system's events to the hearers' calls.

use std::collections::HashSet;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind};
use omniq_core::OwnerId;

use super::doorbell::Heard;
use super::watcher;

/// Whether the system tells when a file that could be written is closed, which it also is when its process
/// is killed.
pub(crate) const TELLS_OF_ENDS: bool = cfg!(target_os = "linux");

/// What an event means to us.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum FsEvent {
    /// The bell in this folder was rung.
    Rung(PathBuf),
    /// The bell in this folder was deleted or replaced.
    Replaced(PathBuf),
    /// An owner in this folder closed its file, and so lets go of its lock.
    OwnerExited(PathBuf),
    /// A file arrived in this folder, or may have: of all folders that are watched, only some are for that.
    Arrived(PathBuf),
    /// This was deleted or moved, and may be a folder of ours.
    Removed(PathBuf),
    /// This was made, and may be the folder of the owners.
    Made(PathBuf),
    /// Events were lost.
    Unknown,
}

/// Ends when the watcher does, with its descriptors.
pub(crate) type Ended = Receiver<Infallible>;

/// Starts the thread that calls the hearers. It ends when what is returned, which sorts the events, is
/// dropped.
pub(crate) fn start() -> io::Result<(impl FnMut(notify::Result<Event>) + Send + 'static, Ended)> {
    let (sender, news) = channel();
    let (lives, ended) = channel();
    let thread = std::thread::Builder::new().name("omniq-doorbell".into());
    thread.spawn(move || spread(&news))?;
    let sorter = move |event| {
        let _owned = &lives;
        sort(event, &sender);
    };
    Ok((sorter, ended))
}

fn sort(event: notify::Result<Event>, sender: &Sender<FsEvent>) {
    // The receiver outlives all senders.
    let send = |news| drop(sender.send(news));
    match event {
        Ok(event) if event.need_rescan() => send(FsEvent::Unknown),
        Ok(event) => event
            .paths
            .iter()
            .filter_map(|path| read(event.kind, path))
            .for_each(send),
        Err(_) => send(FsEvent::Unknown),
    }
}

/// Looks, opens and attributes are none. Neither is the end of writing to the bell, since the writes were,
/// and each process that ends would ring.
fn read(kind: EventKind, path: &Path) -> Option<FsEvent> {
    let name = path.file_name()?;
    let folder = path.parent().filter(|_| name == "bell");
    match (kind, folder) {
        (EventKind::Access(AccessKind::Close(AccessMode::Write)), None) => {
            owner_left(path).or_else(|| arrived(path))
        }
        (EventKind::Create(_), None) if name == "owners" => Some(FsEvent::Made(path.to_owned())),
        (EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(RenameMode::To)), None) => {
            arrived(path)
        }
        (EventKind::Modify(ModifyKind::Metadata(_)), _) => None,
        (EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)), Some(folder)) => {
            Some(FsEvent::Replaced(folder.to_owned()))
        }
        (EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)), None) => {
            Some(FsEvent::Removed(path.to_owned()))
        }
        (EventKind::Create(_) | EventKind::Modify(_), Some(folder)) => {
            Some(FsEvent::Rung(folder.to_owned()))
        }
        _ => None,
    }
}

/// Made (as a link is), closed after it was written, or moved in. Not what happens in our own folders.
fn arrived(path: &Path) -> Option<FsEvent> {
    let folder = path.parent()?;
    let ours = folder.ends_with("owners") || folder.to_string_lossy().ends_with("-omniq");
    (!ours).then(|| FsEvent::Arrived(folder.to_owned()))
}

/// Drafts don't count: an owner's file has its name for as long as its lock.
fn owner_left(path: &Path) -> Option<FsEvent> {
    let _: OwnerId = path.file_name()?.to_str()?.parse().ok()?;
    let owners = path.parent().filter(|owners| owners.ends_with("owners"))?;
    Some(FsEvent::OwnerExited(owners.parent()?.to_owned()))
}

fn spread(news: &Receiver<FsEvent>) {
    while let Ok(first) = news.recv() {
        // What came while the hearers were busy is told once.
        let all: HashSet<FsEvent> = std::iter::once(first).chain(news.try_iter()).collect();
        let mut calls = HashSet::new();
        for one in all {
            note(one, &mut calls);
        }
        for (folder, heard) in calls {
            // What arrives may be called as the bell is.
            let line = watcher::line(&folder).or_else(|| watcher::line_of_arrivals(&folder));
            if let Some(line) = line {
                line.tell(heard);
            }
        }
    }
}

/// Lets the lines know what became of their files; adds the folders whose hearers are to be called.
fn note(news: FsEvent, calls: &mut HashSet<(PathBuf, Heard)>) {
    let both =
        |folder: &Path| [Heard::Rung, Heard::OwnerExited].map(|one| (folder.to_owned(), one));
    match news {
        FsEvent::Rung(folder) => {
            calls.insert((folder, Heard::Rung));
        }
        FsEvent::OwnerExited(folder) => {
            calls.insert((folder, Heard::OwnerExited));
        }
        FsEvent::Replaced(folder) => {
            if let Some(line) = watcher::line(&folder) {
                line.bell_was_replaced();
            }
            calls.insert((folder, Heard::Rung));
        }
        FsEvent::Arrived(folder) => {
            let line = watcher::line_of_arrivals(&folder);
            calls.extend(line.map(|line| (line.path().to_owned(), Heard::Rung)));
        }
        FsEvent::Removed(path) => {
            let line = watcher::watch_again(&path)
                .or_else(|| watcher::watch_owners_again(&path))
                .or_else(|| watcher::watch_arrivals_again(&path));
            calls.extend(line.iter().flat_map(|line| both(line.path())));
        }
        FsEvent::Made(path) => {
            let line = watcher::watch_owners_again(&path);
            calls.extend(line.map(|line| (line.path().to_owned(), Heard::OwnerExited)));
        }
        FsEvent::Unknown => {
            for line in watcher::lines() {
                line.bell_was_replaced();
                calls.extend(both(line.path()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{
        AccessKind, AccessMode, CreateKind, DataChange, MetadataKind, RemoveKind, RenameMode,
    };

    use super::*;

    #[test]
    fn only_what_happens_to_the_bell_is_news() {
        let folder = || PathBuf::from("/data/jobs.db-omniq");
        let bell = folder().join("bell");
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let created = EventKind::Create(CreateKind::File);
        let removed = EventKind::Remove(RemoveKind::File);
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        assert_eq!(read(written, &bell), Some(FsEvent::Rung(folder())));
        assert_eq!(read(created, &bell), Some(FsEvent::Rung(folder())));
        assert_eq!(read(removed, &bell), Some(FsEvent::Replaced(folder())));
        assert_eq!(read(renamed, &bell), Some(FsEvent::Replaced(folder())));
        assert_eq!(read(removed, &folder()), Some(FsEvent::Removed(folder())));
        let owners = folder().join("owners");
        assert_eq!(read(created, &owners), Some(FsEvent::Made(owners.clone())));

        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let opened = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let touched = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        for kind in [closed, opened, touched] {
            assert_eq!(read(kind, &bell), None, "{kind:?}");
        }
        for kind in [written, created, closed, opened, touched] {
            assert_eq!(read(kind, &folder().join("id")), None, "{kind:?}");
        }
        for kind in [written, opened, touched] {
            assert_eq!(read(kind, &folder()), None, "{kind:?}");
        }
    }

    #[test]
    fn a_file_that_arrives_is_news_and_one_that_leaves_may_be_a_folder() {
        let folder = || PathBuf::from("/data/incoming");
        let file = folder().join("bell.json");
        let renamed = |how| EventKind::Modify(ModifyKind::Name(how));
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let created = EventKind::Create(CreateKind::File);
        for kind in [created, closed, renamed(RenameMode::To)] {
            assert_eq!(
                read(kind, &file),
                Some(FsEvent::Arrived(folder())),
                "{kind:?}"
            );
        }
        let gone = Some(FsEvent::Removed(file.clone()));
        assert_eq!(read(renamed(RenameMode::From), &file), gone);
    }

    #[test]
    fn an_owner_s_file_that_is_closed_after_writing_is_news() {
        let folder = || PathBuf::from("/data/jobs.db-omniq");
        let owners = folder().join("owners");
        let owner = owners.join(OwnerId::from_i64(7).unwrap().to_string());
        let closed = |mode| EventKind::Access(AccessKind::Close(mode));
        let written = closed(AccessMode::Write);
        assert_eq!(read(written, &owner), Some(FsEvent::OwnerExited(folder())));
        assert_eq!(read(closed(AccessMode::Read), &owner), None);
        assert_eq!(read(written, &owners.join("0123456789abcdef.tmp")), None);
        let elsewhere = folder().join(owner.file_name().unwrap());
        assert_eq!(read(written, &elsewhere), None);
    }
}
