//! The folder as the thread sees it that writes: how a batch begins, is committed, and ends.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::Effects;
use omniq_core::storage::{
    ClaimRequest, Claimed, Enqueued, Hold, Lease, ProgressUpdate, PurgeRequest, Settled,
};
use omniq_core::{Change, CoreSettings, Durability, NewTask, Result, Timestamp};
use omniq_writer::{CommitError, Committed, Engine};

use crate::disk::Disk;
use crate::errors::{Failure, explain, unknown};
use crate::open_folder::OpenFolder;
use crate::store::Store;

pub(crate) struct Session {
    base: PathBuf,
    disk: Arc<dyn Disk>,
    settings: CoreSettings,
    /// Gone after a failure, until it is opened again.
    open: Option<OpenFolder>,
    nothing: Effects,
    /// It was said that the files can't follow.
    complained: bool,
}

impl Session {
    pub(crate) fn open(base: &Path, disk: Arc<dyn Disk>, settings: &CoreSettings) -> Result<Self> {
        let mut session = Self {
            base: base.to_owned(),
            disk,
            settings: settings.clone(),
            open: None,
            nothing: Effects::default(),
            complained: false,
        };
        session.open_again()?.let_go();
        Ok(session)
    }

    fn open_again(&mut self) -> Result<&mut OpenFolder> {
        let opened = OpenFolder::new(&self.base, &self.disk, &self.settings);
        let opened = opened.map_err(|e| match e {
            Failure::Disk(e) => explain(&self.base, "it can't be opened", &e),
            other => omniq_writer::Failure::not_done(&other, &self.base),
        })?;
        Ok(self.open.insert(opened))
    }

    /// Lets others write, where the lock was taken to open.
    #[cfg(test)]
    pub(crate) fn let_go(&mut self) {
        if let Some(open) = &mut self.open {
            open.let_go();
        }
    }

    /// What tells the folder from every other.
    pub(crate) fn identity(&self) -> Option<&str> {
        self.open.as_ref().map(|open| open.identity.as_str())
    }

    fn opened(&mut self) -> Result<&mut OpenFolder, Failure> {
        let gone = || Failure::Disk(io::Error::other("it is not open"));
        self.open.as_mut().ok_or_else(gone)
    }

    fn store(&mut self) -> Result<&mut Store, Failure> {
        Ok(&mut self.opened()?.store)
    }

    fn try_to_commit(&mut self) -> Result<Committed, CommitError<Failure>> {
        let open = self.opened().map_err(CommitError::NotCommitted)?;
        let batch = &open.store.batch;
        let steps = !batch.ops.is_empty();
        let wrote = steps || !batch.renewed.is_empty();
        if steps {
            open.append()?;
        }
        let followed = match (steps, wrote) {
            (true, _) => open.follow(),
            (false, true) => open.renew(),
            _ => Ok(()),
        };
        let effects = open.store.end();
        self.complain(followed);
        Ok(Committed::new(effects, wrote))
    }

    /// The batch is committed all the same: it is in the log.
    fn complain(&mut self, followed: io::Result<()>) {
        match followed {
            Err(error) => {
                if !std::mem::replace(&mut self.complained, true) {
                    let folder = self.base.display();
                    tracing::warn!(%folder, %error, "what was committed can't be written into the files yet");
                }
                if let Some(open) = &mut self.open {
                    open.is_behind();
                }
            }
            Ok(()) => self.complained = false,
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
            Some(open) => open.has_news().unwrap_or(true),
            None => true,
        }
    }

    fn prepare(&mut self) -> Result<()> {
        if self.open.as_ref().is_some_and(|open| !open.is_in_place()) {
            self.open = None;
        }
        if self.open.is_none() {
            let open = self.open_again()?;
            open.let_go();
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

    fn record_progress(&mut self, note: &ProgressUpdate, now: Timestamp) -> Result<bool, Failure> {
        self.store()?.record_progress(note, now)
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
            .map_or(&self.nothing, |open| &open.store.effects)
    }

    fn commit(&mut self) -> Result<Committed, CommitError<Failure>> {
        let committed = self.try_to_commit();
        if let Some(open) = &mut self.open {
            open.let_go();
        }
        committed
    }

    fn roll_back(&mut self) {
        if let Some(open) = &mut self.open {
            open.forget();
            open.let_go();
        }
    }

    fn reset(&mut self) {
        self.open = None;
    }
}

impl Drop for Session {
    /// What is in the files need not be done again after a power cut.
    fn drop(&mut self) {
        if let Some(open) = &mut self.open
            && let Err(error) = open.close()
        {
            tracing::debug!(
                ?error,
                "the log is kept: the next process goes on from there"
            );
        }
    }
}

impl OpenFolder {
    /// Writes the batch into the log: from then on it has happened.
    pub(crate) fn append(&mut self) -> Result<(), CommitError<Failure>> {
        let record = self.store.seal().map_err(CommitError::NotCommitted)?;
        let before = |e: io::Error| CommitError::NotCommitted(Failure::Disk(e));
        let full = self.durability == Durability::Full;
        if !full {
            self.is_loose().map_err(before)?;
        }
        self.log
            .make_room(self.end.at, record.len())
            .map_err(before)?;
        let end = match self.log.append(self.end, self.store.high_water, &record) {
            Ok(end) => end,
            // It may be there in part, or, for all that is known, whole.
            Err(e) => match self.log.blot_out(self.end.at) {
                Ok(()) => return Err(before(e)),
                Err(_) => return Err(self.is_unknown(&e)),
            },
        };
        if full && let Err(e) = self.log.sync() {
            return Err(self.is_unknown(&e));
        }
        self.end = end;
        Ok(())
    }

    fn is_unknown(&mut self, error: &io::Error) -> CommitError<Failure> {
        self.is_broken();
        CommitError::Unknown(unknown(self.store.paths.base(), error))
    }
}
