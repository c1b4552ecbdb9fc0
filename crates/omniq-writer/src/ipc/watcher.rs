//! One watcher for the whole process: inotify instances are few (128 a user, as Linux comes).
//!
//! Two threads. The one of `notify` only sorts events and passes them on; it takes no lock, so whoever
//! asks it to watch a folder, with the registry locked, is answered. The other calls the hearers.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use omniq_core::{Error, ErrorKind, Result};

use super::doorbell::Listener;
use super::folder::Folder;
use super::subscription::Subscription;
use super::{fs_events, lock, storage_error};

static SHARED: Mutex<Option<Shared>> = Mutex::new(None);

/// Far more than it takes: nobody hangs if the watching thread does.
const STOPPING: Duration = Duration::from_secs(1);

struct Shared {
    /// A forked child has the descriptors, but not the threads.
    process: u32,
    watcher: RecommendedWatcher,
    ended: fs_events::Ended,
    lines: HashMap<PathBuf, Arc<Subscription>>,
    next_key: u64,
}

/// Adds a hearer to the folder's line.
pub(crate) fn listen(folder: &Folder, hearer: Listener) -> Result<(Arc<Subscription>, u64)> {
    let mut shared = lock(&SHARED);
    if shared.as_ref().is_some_and(|shared| !shared.is_ours()) {
        // Dropped, it would take the parent's watches away.
        std::mem::forget(shared.take());
    }
    let open = match &mut *shared {
        Some(open) => open,
        none => none.insert(Shared::start()?),
    };
    let listening = open.listen(folder, &hearer);
    let unused = take_if_unused(&mut shared);
    drop(shared);
    stop(unused);
    listening
}

/// Takes a hearer away. The last of a folder ends its watch, the last of all the watcher.
pub(crate) fn leave(line: &Arc<Subscription>, key: u64) {
    let mut shared = lock(&SHARED);
    let hearer = line.remove(key);
    if let Some(open) = shared.as_mut().filter(|shared| shared.is_ours()) {
        open.leave(line);
    }
    let unused = take_if_unused(&mut shared);
    drop(shared);
    stop(unused);
    // It may own a doorbell, and then comes back here.
    drop(hearer);
}

/// The line that is heard when this folder has news.
pub(crate) fn line(folder: &Path) -> Option<Arc<Subscription>> {
    lock(&SHARED).as_ref()?.lines.get(folder).cloned()
}

/// The watch of a folder ended because it was deleted or moved. The line, if it is one of ours.
pub(crate) fn watch_again(folder: &Path) -> Option<Arc<Subscription>> {
    let mut shared = lock(&SHARED);
    let open = shared.as_mut()?;
    let line = open.lines.get(folder).cloned()?;
    line.folder_was_replaced(open.watch(&line).is_ok());
    Some(line)
}

/// The folder of the owners was deleted, moved or made. The line, if it is one of ours.
pub(crate) fn watch_owners_again(owners: &Path) -> Option<Arc<Subscription>> {
    let mut shared = lock(&SHARED);
    let open = shared.as_mut()?;
    let line = open.lines.get(owners.parent()?).cloned()?;
    if line.owners() != owners {
        return None;
    }
    open.watch_owners(&line);
    Some(line)
}

/// The folder that files arrive in was deleted or moved. The line, if it is one of ours.
pub(crate) fn watch_arrivals_again(arrivals: &Path) -> Option<Arc<Subscription>> {
    let mut shared = lock(&SHARED);
    let open = shared.as_mut()?;
    let line = open.by_arrivals(arrivals)?;
    open.watch_arrivals(&line);
    Some(line)
}

/// The line that is heard when a file arrives in this folder.
pub(crate) fn line_of_arrivals(folder: &Path) -> Option<Arc<Subscription>> {
    lock(&SHARED).as_ref()?.by_arrivals(folder)
}

/// Every line, when nobody knows which one has news.
pub(crate) fn lines() -> Vec<Arc<Subscription>> {
    let shared = lock(&SHARED);
    let lines = shared.iter().flat_map(|shared| shared.lines.values());
    lines.cloned().collect()
}

fn take_if_unused(shared: &mut Option<Shared>) -> Option<Shared> {
    shared.take_if(|shared| shared.lines.is_empty() && shared.is_ours())
}

/// Waits for the watching thread, which waits for nobody, so that those who open and close in turn don't
/// use up the inotify instances. Not for the hearers' thread: a hearer may be who drops.
fn stop(shared: Option<Shared>) {
    let Some(Shared { watcher, ended, .. }) = shared else {
        return;
    };
    let _ = guarded(|| {
        drop(watcher);
        Ok(())
    });
    let _ = ended.recv_timeout(STOPPING);
}

impl Shared {
    fn start() -> Result<Self> {
        let (sorter, ended) = fs_events::start()
            .map_err(|e| storage_error("the doorbell's thread can't be started", e))?;
        let watcher = guarded(|| notify::recommended_watcher(sorter)).map_err(explain)?;
        Ok(Self {
            process: std::process::id(),
            watcher,
            ended,
            lines: HashMap::new(),
            next_key: 0,
        })
    }

    fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    fn listen(&mut self, folder: &Folder, hearer: &Listener) -> Result<(Arc<Subscription>, u64)> {
        let line =
            match self.lines.get(folder.path()) {
                Some(line) => line.clone(),
                None => {
                    let line = Subscription::open(folder);
                    let path = folder.path().display();
                    Arc::new(line.map_err(|e| {
                        storage_error(format!("the bell in {path} can't be opened"), e)
                    })?)
                }
            };
        let new = !self.lines.contains_key(line.path());
        // Watched before anybody counts on it.
        if new || line.is_deaf() {
            self.watch(&line).map_err(explain)?;
            line.hears();
            self.lines.insert(line.path().to_owned(), line.clone());
        } else if !line.hears_owners() {
            self.watch_owners(&line);
        }
        self.next_key += 1;
        line.add(self.next_key, hearer.clone());
        Ok((line, self.next_key))
    }

    fn watch(&mut self, line: &Subscription) -> notify::Result<()> {
        guarded(|| self.watcher.watch(line.path(), RecursiveMode::NonRecursive))?;
        self.watch_owners(line);
        self.watch_arrivals(line);
        Ok(())
    }

    fn by_arrivals(&self, arrivals: &Path) -> Option<Arc<Subscription>> {
        let mut lines = self.lines.values();
        lines
            .find(|line| line.arrivals() == Some(arrivals))
            .cloned()
    }

    /// Without it, the bell is heard all the same.
    fn watch_arrivals(&mut self, line: &Subscription) {
        let Some(arrivals) = line.arrivals().filter(|_| fs_events::TELLS_OF_ENDS) else {
            return;
        };
        // As for the owners.
        let _ = guarded(|| self.watcher.unwatch(arrivals));
        let watched = guarded(|| self.watcher.watch(arrivals, RecursiveMode::NonRecursive));
        line.arrivals_are_watched(arrivals, watched.map_err(std::io::Error::other));
    }

    /// Without it, the bell is heard all the same.
    fn watch_owners(&mut self, line: &Subscription) {
        if !fs_events::TELLS_OF_ENDS {
            return;
        }
        // What is watched under this name may have been moved away, and would stay watched.
        let _ = guarded(|| self.watcher.unwatch(line.owners()));
        let watched = guarded(|| {
            self.watcher
                .watch(line.owners(), RecursiveMode::NonRecursive)
        });
        line.owners_are_watched(watched.map_err(std::io::Error::other));
    }

    fn leave(&mut self, line: &Arc<Subscription>) {
        let listed = self.lines.get(line.path());
        if !line.is_empty() || !listed.is_some_and(|listed| Arc::ptr_eq(listed, line)) {
            return;
        }
        self.lines.remove(line.path());
        for folder in [line.owners(), line.path()]
            .into_iter()
            .chain(line.arrivals())
        {
            if let Err(error) = guarded(|| self.watcher.unwatch(folder)) {
                tracing::debug!(%error, "a folder that is gone is not watched any more");
            }
        }
    }
}

/// `notify` panics where its thread could not be started.
fn guarded<T>(ask: impl FnOnce() -> notify::Result<T>) -> notify::Result<T> {
    catch_unwind(AssertUnwindSafe(ask))
        .unwrap_or_else(|_| Err(notify::Error::generic("the watching thread is not there")))
}

fn explain(error: notify::Error) -> Error {
    let mut text = format!("the doorbell can't be heard: {error}");
    if cfg!(target_os = "linux") {
        text += "; if this is a limit, raise fs.inotify.max_user_instances or \
                 fs.inotify.max_user_watches (sysctl), or the number of open files";
    }
    Error::new(ErrorKind::Storage, text).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_limits() {
        let too_many_files = std::io::Error::from_raw_os_error(24);
        for error in [
            notify::Error::new(notify::ErrorKind::MaxFilesWatch),
            notify::Error::io(too_many_files),
        ] {
            let text = explain(error).to_string();
            let named = [
                "fs.inotify.max_user_instances",
                "fs.inotify.max_user_watches",
            ];
            let all = named.iter().all(|name| text.contains(name));
            assert_eq!(all, cfg!(target_os = "linux"), "{text}");
        }
    }
}
