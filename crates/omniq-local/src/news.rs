//! From the file system's events to the hearers' calls.

use std::collections::HashSet;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};

use notify::event::ModifyKind;
use notify::{Event, EventKind};

use crate::watcher;

/// What an event means to us.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum News {
    /// The bell in this folder was rung.
    Rung(PathBuf),
    /// The bell in this folder was deleted or replaced.
    Replaced(PathBuf),
    /// This was deleted or moved, and may be a folder of ours.
    Removed(PathBuf),
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

fn sort(event: notify::Result<Event>, sender: &Sender<News>) {
    // The receiver outlives all senders.
    let send = |news| drop(sender.send(news));
    match event {
        Ok(event) if event.need_rescan() => send(News::Unknown),
        Ok(event) => event
            .paths
            .iter()
            .filter_map(|path| read(event.kind, path))
            .for_each(send),
        Err(_) => send(News::Unknown),
    }
}

/// Looks, opens and attributes are none; neither is the end of writing, since the writes were, and each
/// process that ends would ring.
fn read(kind: EventKind, path: &Path) -> Option<News> {
    let folder = path
        .file_name()
        .filter(|name| *name == "bell")
        .and_then(|_| path.parent());
    match (kind, folder) {
        (EventKind::Modify(ModifyKind::Metadata(_)), _) => None,
        (EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)), Some(folder)) => {
            Some(News::Replaced(folder.to_owned()))
        }
        (EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)), None) => {
            Some(News::Removed(path.to_owned()))
        }
        (EventKind::Create(_) | EventKind::Modify(_), Some(folder)) => {
            Some(News::Rung(folder.to_owned()))
        }
        _ => None,
    }
}

fn spread(news: &Receiver<News>) {
    while let Ok(first) = news.recv() {
        // What came while the hearers were busy is told once.
        let all: HashSet<News> = std::iter::once(first).chain(news.try_iter()).collect();
        let mut folders = HashSet::new();
        for one in all {
            note(one, &mut folders);
        }
        for folder in folders {
            if let Some(line) = watcher::line(&folder) {
                line.tell();
            }
        }
    }
}

/// Lets the lines know what became of their files; adds the folders whose hearers are to be called.
fn note(news: News, folders: &mut HashSet<PathBuf>) {
    match news {
        News::Rung(folder) => {
            folders.insert(folder);
        }
        News::Replaced(folder) => {
            if let Some(line) = watcher::line(&folder) {
                line.bell_was_replaced();
            }
            folders.insert(folder);
        }
        News::Removed(path) => {
            if watcher::watch_again(&path) {
                folders.insert(path);
            }
        }
        News::Unknown => {
            for line in watcher::lines() {
                line.bell_was_replaced();
                folders.insert(line.path().to_owned());
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
        assert_eq!(read(written, &bell), Some(News::Rung(folder())));
        assert_eq!(read(created, &bell), Some(News::Rung(folder())));
        assert_eq!(read(removed, &bell), Some(News::Replaced(folder())));
        assert_eq!(read(renamed, &bell), Some(News::Replaced(folder())));
        assert_eq!(read(removed, &folder()), Some(News::Removed(folder())));

        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        let opened = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let touched = EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any));
        for kind in [closed, opened, touched] {
            assert_eq!(read(kind, &bell), None, "{kind:?}");
        }
        for kind in [written, created, closed, opened, touched] {
            assert_eq!(read(kind, &folder().join("id")), None, "{kind:?}");
            assert_eq!(read(kind, &folder()), None, "{kind:?}");
        }
    }
}
