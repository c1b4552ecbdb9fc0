//! The writer's engine: how a batch begins in the folder, is committed, and ends.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::{
    ClaimRequest, Claimed, Effects, Enqueued, Hold, Lease, ProgressUpdate, PurgeRequest, Settled,
};
use omniq_core::{Change, CoreSettings, NewTask, Result, Timestamp};
use omniq_writer::{CommitError, Committed, Engine};

use crate::disk::Disk;
use crate::errors::{Failure, chain, io_error};
use crate::open_folder::OpenFolder;
use crate::store::Store;

pub(crate) struct Session {
    base: PathBuf,
    disk: Arc<dyn Disk>,
    settings: CoreSettings,
    /// `None` after a failure, until the folder is opened again.
    open: Option<OpenFolder>,
    no_effects: Effects,
    /// Whether it was logged that a batch could not be applied to the files.
    warned: bool,
}

impl Session {
    pub(crate) fn open(base: &Path, disk: Arc<dyn Disk>, settings: &CoreSettings) -> Result<Self> {
        let mut session = Self {
            base: base.to_owned(),
            disk,
            settings: settings.clone(),
            open: None,
            no_effects: Effects::default(),
            warned: false,
        };
        session.reopen()?.unlock();
        Ok(session)
    }

    fn reopen(&mut self) -> Result<&mut OpenFolder> {
        let opened = OpenFolder::new(&self.base, &self.disk, &self.settings);
        let opened = opened.map_err(|e| match e {
            Failure::Io(e) => io_error(&self.base, "it can't be opened", e),
            other => omniq_writer::Failure::not_done(&other, &self.base),
        })?;
        Ok(self.open.insert(opened))
    }

    /// Releases the lock that opening took.
    #[cfg(test)]
    pub(crate) fn unlock(&mut self) {
        if let Some(open) = &mut self.open {
            open.unlock();
        }
    }

    /// Returns the folder's id in `layout.json`.
    pub(crate) fn identity(&self) -> Option<&str> {
        self.open.as_ref().map(|open| open.identity.as_str())
    }

    fn opened(&mut self) -> Result<&mut OpenFolder, Failure> {
        let closed = || io::Error::other("the folder is not open").into();
        self.open.as_mut().ok_or_else(closed)
    }

    fn store(&mut self) -> Result<&mut Store, Failure> {
        Ok(&mut self.opened()?.store)
    }

    fn try_to_commit(&mut self) -> Result<Committed, CommitError<Failure>> {
        let open = self.opened().map_err(CommitError::NotCommitted)?;
        let batch = &open.store.batch;
        let has_ops = !batch.ops.is_empty();
        let wrote = has_ops || !batch.renewed.is_empty();
        if has_ops {
            open.append()?;
        }
        let applied = match (has_ops, wrote) {
            (true, _) => open.apply_batch(),
            (false, true) => open.write_renewals(),
            _ => Ok(()),
        };
        let effects = open.store.end_batch();
        self.check_applied(applied);
        Ok(Committed::new(effects, wrote))
    }

    /// Logs that the batch could not be applied to the files. It is committed nevertheless: the log has it.
    fn check_applied(&mut self, applied: io::Result<()>) {
        match applied {
            Err(error) => {
                if !std::mem::replace(&mut self.warned, true) {
                    let folder = self.base.display();
                    tracing::warn!(
                        %folder,
                        error = %chain(&error),
                        "a committed batch can't be written into the files yet"
                    );
                }
                if let Some(open) = &mut self.open {
                    open.applying_failed();
                }
            }
            Ok(()) => self.warned = false,
        }
    }
}

impl Engine for Session {
    type Failure = Failure;
    type Reader = Store;

    const NAME: &'static str = "file";

    fn path(&self) -> &Path {
        &self.base
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn others_wrote(&mut self) -> bool {
        match &mut self.open {
            Some(open) => open.others_wrote().unwrap_or(true),
            None => true,
        }
    }

    fn prepare(&mut self) -> Result<()> {
        if self.open.as_ref().is_some_and(|open| !open.is_in_place()) {
            self.open = None;
        }
        if self.open.is_none() {
            self.reopen()?.unlock();
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<bool, Failure> {
        self.opened()?.begin()
    }

    fn enqueue(&mut self, tasks: &[NewTask], now: Timestamp) -> Result<Vec<Enqueued>, Failure> {
        let store = self.store()?;
        tasks.iter().map(|task| store.enqueue(task, now)).collect()
    }

    fn claim(&mut self, request: &ClaimRequest, now: Timestamp) -> Result<Claimed, Failure> {
        self.store()?.claim(request, now)
    }

    fn peek(&mut self, request: &ClaimRequest) -> Result<Claimed, Failure> {
        self.store()?.peek(request)
    }

    fn renew(&mut self, lease: Lease, lease_for: Duration) -> Result<Hold, Failure> {
        self.store()?.renew(lease, lease_for)
    }

    fn record_progress(
        &mut self,
        update: &ProgressUpdate,
        now: Timestamp,
    ) -> Result<bool, Failure> {
        self.store()?.record_progress(update, now)
    }

    fn settle(&mut self, change: &Change, now: Timestamp) -> Result<Settled, Failure> {
        self.store()?.settle(change, now)
    }

    fn purge(&mut self, request: &PurgeRequest) -> Result<u64, Failure> {
        self.store()?.purge(request)
    }

    fn reader(&mut self) -> Result<&mut Store, Failure> {
        self.store()
    }

    fn effects(&self) -> &Effects {
        self.open
            .as_ref()
            .map_or(&self.no_effects, |open| &open.store.effects)
    }

    fn commit(&mut self) -> Result<Committed, CommitError<Failure>> {
        let committed = self.try_to_commit();
        if let Some(open) = &mut self.open {
            open.unlock();
        }
        committed
    }

    fn roll_back(&mut self) {
        if let Some(open) = &mut self.open {
            open.forget_all();
            open.unlock();
        }
    }

    fn reset(&mut self) {
        self.open = None;
    }
}

impl Drop for Session {
    /// Applies the log to the files, so that the next process need not do it.
    fn drop(&mut self) {
        if let Some(open) = &mut self.open
            && let Err(error) = open.close()
        {
            tracing::debug!(
                ?error,
                "the log could not be checkpointed: the next process applies it"
            );
        }
    }
}
