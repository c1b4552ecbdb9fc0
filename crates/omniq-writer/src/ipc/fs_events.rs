//! Translates the file system's events into calls of listeners.

use std::collections::HashSet;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind};
use omniq_core::OwnerId;

use super::subscription::{Heard, Subscription};

/// Whether the operating system reports that a writable file was closed, which also happens when its process is
/// killed.
pub(crate) const REPORTS_CLOSES: bool = cfg!(target_os = "linux");

/// What an event means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum FsEvent {
    /// The bell in this folder was rung.
    Rung(PathBuf),
    /// The bell in this folder was deleted or replaced.
    Replaced(PathBuf),
    /// An owner in this folder closed its file, and so releases its lock.
    OwnerExited(PathBuf),
    /// A file arrived in this folder. It may be any folder that is watched; only some of them are for arrivals.
    Arrived(PathBuf),
    /// This path was deleted or moved; it may be a folder of ours.
    Removed(PathBuf),
    /// This path was created; it may be the folder of the owners.
    Created(PathBuf),
    /// Events were lost.
    Unknown,
}

/// The subscriptions of this process.
pub(crate) trait Registry: Send + 'static {
    /// Returns the subscription of this folder.
    fn by_folder(&self, folder: &Path) -> Option<Arc<Subscription>>;

    /// Returns the subscription that hears files arrive in this folder.
    fn by_arrivals(&self, arrivals: &Path) -> Option<Arc<Subscription>>;

    /// Returns all subscriptions.
    fn all(&self) -> Vec<Arc<Subscription>>;

    /// Watches again a folder that was deleted or moved, and returns its subscription, if it is one of ours.
    fn watch_folder_again(&self, folder: &Path) -> Option<Arc<Subscription>>;

    /// Watches again a folder of owners that was deleted, moved or created, and returns its subscription, if it
    /// is one of ours.
    fn watch_owners_again(&self, owners: &Path) -> Option<Arc<Subscription>>;

    /// Watches again a folder for arrivals that was deleted or moved, and returns its subscription, if it is one
    /// of ours.
    fn watch_arrivals_again(&self, arrivals: &Path) -> Option<Arc<Subscription>>;
}

/// Disconnects when the watcher ends and has closed its descriptors.
pub(crate) type Ended = Receiver<Infallible>;

/// Starts the thread that calls the listeners, and returns the handler that passes the watcher's events to it. The
/// thread ends when the handler is dropped.
pub(crate) fn start(
    registry: impl Registry,
) -> io::Result<(impl FnMut(notify::Result<Event>) + Send + 'static, Ended)> {
    let (sender, events) = channel();
    let (alive, ended) = channel();
    let thread = std::thread::Builder::new().name("omniq-doorbell".into());
    thread.spawn(move || dispatch_all(&events, &registry))?;
    let handler = move |event| {
        let _owned = &alive;
        send(event, &sender);
    };
    Ok((handler, ended))
}

fn send(event: notify::Result<Event>, sender: &Sender<FsEvent>) {
    // The receiver outlives all senders.
    let send = |event| drop(sender.send(event));
    match event {
        Ok(event) if event.need_rescan() => send(FsEvent::Unknown),
        Ok(event) => event
            .paths
            .iter()
            .filter_map(|path| interpret(event.kind, path))
            .for_each(send),
        Err(_) => send(FsEvent::Unknown),
    }
}

/// Maps an event of the file system. Reads, opens and attributes are ignored. So is CLOSE_WRITE on the bell: the
/// write itself was already reported, and each process that ends would ring.
fn interpret(kind: EventKind, path: &Path) -> Option<FsEvent> {
    let name = path.file_name()?;
    let folder = path.parent().filter(|_| name == "bell");
    match (kind, folder) {
        (EventKind::Access(AccessKind::Close(AccessMode::Write)), None) => {
            owner_exited(path).or_else(|| arrived(path))
        }
        (EventKind::Create(_), None) if name == "owners" => Some(FsEvent::Created(path.to_owned())),
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

/// A file that was created (a link, for example), closed after writing, or moved in. Files in our own folders are
/// not arrivals.
fn arrived(path: &Path) -> Option<FsEvent> {
    let folder = path.parent()?;
    let ours = folder.ends_with("owners") || folder.to_string_lossy().ends_with("-omniq");
    (!ours).then(|| FsEvent::Arrived(folder.to_owned()))
}

/// An owner's file that was closed. Drafts don't count: an owner's file has its name for as long as its lock.
fn owner_exited(path: &Path) -> Option<FsEvent> {
    let _: OwnerId = path.file_name()?.to_str()?.parse().ok()?;
    let owners = path.parent().filter(|owners| owners.ends_with("owners"))?;
    Some(FsEvent::OwnerExited(owners.parent()?.to_owned()))
}

fn dispatch_all(events: &Receiver<FsEvent>, registry: &impl Registry) {
    while let Ok(first) = events.recv() {
        // Equal events that came while the listeners were busy become one call.
        let all: HashSet<FsEvent> = std::iter::once(first).chain(events.try_iter()).collect();
        let mut calls = HashSet::new();
        for event in all {
            apply(event, registry, &mut calls);
        }
        for (folder, heard) in calls {
            // A file that arrives may have the name of the bell.
            let subscription = registry
                .by_folder(&folder)
                .or_else(|| registry.by_arrivals(&folder));
            if let Some(subscription) = subscription {
                subscription.notify(heard);
            }
        }
    }
}

/// Applies an event to the subscriptions, and adds the folders whose listeners are to be called.
fn apply(event: FsEvent, registry: &impl Registry, calls: &mut HashSet<(PathBuf, Heard)>) {
    let both =
        |folder: &Path| [Heard::Rung, Heard::OwnerExited].map(|heard| (folder.to_owned(), heard));
    match event {
        FsEvent::Rung(folder) => {
            calls.insert((folder, Heard::Rung));
        }
        FsEvent::OwnerExited(folder) => {
            calls.insert((folder, Heard::OwnerExited));
        }
        FsEvent::Replaced(folder) => {
            if let Some(subscription) = registry.by_folder(&folder) {
                subscription.close_bell();
            }
            calls.insert((folder, Heard::Rung));
        }
        FsEvent::Arrived(folder) => {
            let found = registry.by_arrivals(&folder);
            calls.extend(found.map(|found| (found.path().to_owned(), Heard::Rung)));
        }
        FsEvent::Removed(path) => {
            let found = registry
                .watch_folder_again(&path)
                .or_else(|| registry.watch_owners_again(&path))
                .or_else(|| registry.watch_arrivals_again(&path));
            calls.extend(found.iter().flat_map(|found| both(found.path())));
        }
        FsEvent::Created(path) => {
            let found = registry.watch_owners_again(&path);
            calls.extend(found.map(|found| (found.path().to_owned(), Heard::OwnerExited)));
        }
        FsEvent::Unknown => {
            for subscription in registry.all() {
                subscription.close_bell();
                calls.extend(both(subscription.path()));
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
    fn only_changes_of_the_bell_are_events() {
        let folder = || PathBuf::from("/data/jobs.db-omniq");
        let bell = folder().join("bell");
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let created = EventKind::Create(CreateKind::File);
        let removed = EventKind::Remove(RemoveKind::File);
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        assert_eq!(interpret(written, &bell), Some(FsEvent::Rung(folder())));
        assert_eq!(interpret(created, &bell), Some(FsEvent::Rung(folder())));
        assert_eq!(interpret(removed, &bell), Some(FsEvent::Replaced(folder())));
        assert_eq!(interpret(renamed, &bell), Some(FsEvent::Replaced(folder())));
        assert_eq!(
            interpret(removed, &folder()),
            Some(FsEvent::Removed(folder()))
        );
        let owners = folder().join("owners");
        assert_eq!(
            interpret(created, &owners),
            Some(FsEvent::Created(owners.clone()))
        );

        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let opened = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let touched = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        for kind in [closed, opened, touched] {
            assert_eq!(interpret(kind, &bell), None, "{kind:?}");
        }
        for kind in [written, created, closed, opened, touched] {
            assert_eq!(interpret(kind, &folder().join("id")), None, "{kind:?}");
        }
        for kind in [written, opened, touched] {
            assert_eq!(interpret(kind, &folder()), None, "{kind:?}");
        }
    }

    #[test]
    fn a_file_that_arrives_is_an_event_and_one_that_leaves_may_be_a_folder() {
        let folder = || PathBuf::from("/data/incoming");
        let file = folder().join("bell.json");
        let renamed = |how| EventKind::Modify(ModifyKind::Name(how));
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let created = EventKind::Create(CreateKind::File);
        for kind in [created, closed, renamed(RenameMode::To)] {
            assert_eq!(
                interpret(kind, &file),
                Some(FsEvent::Arrived(folder())),
                "{kind:?}"
            );
        }
        let removed = Some(FsEvent::Removed(file.clone()));
        assert_eq!(interpret(renamed(RenameMode::From), &file), removed);
    }

    #[test]
    fn an_owner_s_file_that_is_closed_after_writing_is_an_event() {
        let folder = || PathBuf::from("/data/jobs.db-omniq");
        let owners = folder().join("owners");
        let owner = owners.join(OwnerId::from_i64(7).unwrap().to_string());
        let closed = |mode| EventKind::Access(AccessKind::Close(mode));
        let written = closed(AccessMode::Write);
        assert_eq!(
            interpret(written, &owner),
            Some(FsEvent::OwnerExited(folder()))
        );
        assert_eq!(interpret(closed(AccessMode::Read), &owner), None);
        assert_eq!(
            interpret(written, &owners.join("0123456789abcdef.tmp")),
            None
        );
        let elsewhere = folder().join(owner.file_name().unwrap());
        assert_eq!(interpret(written, &elsewhere), None);
    }
}
