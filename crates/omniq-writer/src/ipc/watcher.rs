//! Watches folders for the whole process, with one watcher: Linux allows only 128 inotify instances per user by
//! default.
//!
//! There are two threads. That of `notify` only translates events and passes them on; it takes no lock, so that it
//! always answers a caller that adds a watch while the registry is locked. The other one calls the listeners.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use omniq_core::{Error, ErrorKind, Result};

use super::folder::Folder;
use super::fs_events::{self, Registry};
use super::subscription::{Listener, Subscription};
use crate::errors::storage_error;
use crate::mutex::lock;

static SHARED: Mutex<Option<Shared>> = Mutex::new(None);

/// How long to wait for the watching thread to end. It is far more than needed, so that a caller is not blocked
/// if that thread hangs.
const STOPPING: Duration = Duration::from_secs(1);

struct Shared {
    /// The process that started it: a forked child has the descriptors, but not the threads.
    process: u32,
    watcher: RecommendedWatcher,
    ended: fs_events::Ended,
    subscriptions: HashMap<PathBuf, Arc<Subscription>>,
    next_key: u64,
}

/// Adds a listener to the folder's subscription, and returns the subscription and the listener's key in it.
pub(crate) fn listen(folder: &Folder, listener: Listener) -> Result<(Arc<Subscription>, u64)> {
    let mut shared = lock(&SHARED);
    if shared.as_ref().is_some_and(|shared| !shared.is_ours()) {
        // Dropping it would remove the watches of the parent process.
        std::mem::forget(shared.take());
    }
    let open = match &mut *shared {
        Some(open) => open,
        none => none.insert(Shared::start()?),
    };
    let added = open.listen(folder, &listener);
    let unused = take_if_unused(&mut shared);
    drop(shared);
    stop(unused);
    added
}

/// Removes a listener. The last one of a folder ends its watch, the last one of all ends the watcher.
pub(crate) fn leave(subscription: &Arc<Subscription>, key: u64) {
    let mut shared = lock(&SHARED);
    let listener = subscription.remove(key);
    if let Some(open) = shared.as_mut().filter(|shared| shared.is_ours()) {
        open.leave(subscription);
    }
    let unused = take_if_unused(&mut shared);
    drop(shared);
    stop(unused);
    // It may own a doorbell, whose drop calls this function again.
    drop(listener);
}

/// The registry of [`SHARED`], for the thread that calls the listeners.
struct SharedRegistry;

impl Registry for SharedRegistry {
    fn by_folder(&self, folder: &Path) -> Option<Arc<Subscription>> {
        lock(&SHARED).as_ref()?.subscriptions.get(folder).cloned()
    }

    fn by_arrivals(&self, arrivals: &Path) -> Option<Arc<Subscription>> {
        lock(&SHARED).as_ref()?.by_arrivals(arrivals)
    }

    fn all(&self) -> Vec<Arc<Subscription>> {
        let shared = lock(&SHARED);
        let subscriptions = shared
            .iter()
            .flat_map(|shared| shared.subscriptions.values());
        subscriptions.cloned().collect()
    }

    fn watch_folder_again(&self, folder: &Path) -> Option<Arc<Subscription>> {
        let mut shared = lock(&SHARED);
        let open = shared.as_mut()?;
        let subscription = open.subscriptions.get(folder).cloned()?;
        subscription.folder_was_replaced(open.watch(&subscription).is_ok());
        Some(subscription)
    }

    fn watch_owners_again(&self, owners: &Path) -> Option<Arc<Subscription>> {
        let mut shared = lock(&SHARED);
        let open = shared.as_mut()?;
        let subscription = open.subscriptions.get(owners.parent()?).cloned()?;
        if subscription.owners() != owners {
            return None;
        }
        open.watch_owners(&subscription);
        Some(subscription)
    }

    fn watch_arrivals_again(&self, arrivals: &Path) -> Option<Arc<Subscription>> {
        let mut shared = lock(&SHARED);
        let open = shared.as_mut()?;
        let subscription = open.by_arrivals(arrivals)?;
        open.watch_arrivals(&subscription);
        Some(subscription)
    }
}

fn take_if_unused(shared: &mut Option<Shared>) -> Option<Shared> {
    shared.take_if(|shared| shared.subscriptions.is_empty() && shared.is_ours())
}

/// Ends the watcher and waits for its thread, which never blocks, so that a program that opens and closes
/// doorbells in turn does not use up the inotify instances. It does not wait for the thread that calls the
/// listeners: this may be a call of that thread.
fn stop(shared: Option<Shared>) {
    let Some(Shared { watcher, ended, .. }) = shared else {
        return;
    };
    let _ = without_panic(|| {
        drop(watcher);
        Ok(())
    });
    let _ = ended.recv_timeout(STOPPING);
}

impl Shared {
    fn start() -> Result<Self> {
        let (handler, ended) = fs_events::start(SharedRegistry)
            .map_err(|e| storage_error("the doorbell's thread can't be started", e))?;
        let watcher =
            without_panic(|| notify::recommended_watcher(handler)).map_err(watch_error)?;
        Ok(Self {
            process: std::process::id(),
            watcher,
            ended,
            subscriptions: HashMap::new(),
            next_key: 0,
        })
    }

    fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    fn listen(&mut self, folder: &Folder, listener: &Listener) -> Result<(Arc<Subscription>, u64)> {
        let path = folder.path();
        let known = self.subscriptions.get(path).cloned();
        let is_new = known.is_none();
        let subscription = match known {
            Some(known) => known,
            None => Arc::new(Subscription::open(folder).map_err(|e| {
                storage_error(format!("the bell in {} can't be opened", path.display()), e)
            })?),
        };
        // It is watched before any caller relies on it.
        if is_new || subscription.is_unwatched() {
            self.watch(&subscription).map_err(watch_error)?;
            subscription.set_watched();
            self.subscriptions
                .insert(path.to_owned(), subscription.clone());
        } else if !subscription.hears_owners() {
            self.watch_owners(&subscription);
        }
        self.next_key += 1;
        subscription.add(self.next_key, listener.clone());
        Ok((subscription, self.next_key))
    }

    fn watch(&mut self, subscription: &Subscription) -> notify::Result<()> {
        self.add_watch(subscription.path())?;
        self.watch_owners(subscription);
        self.watch_arrivals(subscription);
        Ok(())
    }

    fn add_watch(&mut self, folder: &Path) -> notify::Result<()> {
        without_panic(|| self.watcher.watch(folder, RecursiveMode::NonRecursive))
    }

    /// Watches a folder that another folder may have replaced. The earlier watch is removed first: if the folder
    /// was moved away, it would still be watched there.
    fn replace_watch(&mut self, folder: &Path) -> io::Result<()> {
        let _ = without_panic(|| self.watcher.unwatch(folder));
        self.add_watch(folder).map_err(io::Error::other)
    }

    fn by_arrivals(&self, arrivals: &Path) -> Option<Arc<Subscription>> {
        let mut subscriptions = self.subscriptions.values();
        subscriptions
            .find(|subscription| subscription.arrivals() == Some(arrivals))
            .cloned()
    }

    /// Best effort: the bell is heard without it.
    fn watch_arrivals(&mut self, subscription: &Subscription) {
        if let Some(arrivals) = subscription.arrivals()
            && fs_events::REPORTS_CLOSES
        {
            let watched = self.replace_watch(arrivals);
            subscription.set_arrivals_watched(arrivals, watched);
        }
    }

    /// Best effort: the bell is heard without it.
    fn watch_owners(&mut self, subscription: &Subscription) {
        if fs_events::REPORTS_CLOSES {
            let watched = self.replace_watch(subscription.owners());
            subscription.set_owners_watched(watched);
        }
    }

    fn leave(&mut self, subscription: &Arc<Subscription>) {
        let listed = self.subscriptions.get(subscription.path());
        let is_listed = listed.is_some_and(|listed| Arc::ptr_eq(listed, subscription));
        if !subscription.is_empty() || !is_listed {
            return;
        }
        self.subscriptions.remove(subscription.path());
        for folder in [subscription.owners(), subscription.path()]
            .into_iter()
            .chain(subscription.arrivals())
        {
            if let Err(error) = without_panic(|| self.watcher.unwatch(folder)) {
                tracing::debug!(%error, "the watch on a folder had ended already");
            }
        }
    }
}

/// Calls `notify`, which panics if its thread could not be started.
fn without_panic<T>(call: impl FnOnce() -> notify::Result<T>) -> notify::Result<T> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(notify::Error::generic("the watching thread has ended")))
}

fn watch_error(error: notify::Error) -> Error {
    let mut text = "the doorbell can't be heard".to_owned();
    if cfg!(target_os = "linux") {
        text += " (if a limit is the cause, raise fs.inotify.max_user_instances or \
                 fs.inotify.max_user_watches with sysctl, or the number of open files)";
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
            let text = watch_error(error).to_string();
            let named = [
                "fs.inotify.max_user_instances",
                "fs.inotify.max_user_watches",
            ];
            let all = named.iter().all(|name| text.contains(name));
            assert_eq!(all, cfg!(target_os = "linux"), "{text}");
        }
    }
}
