//! Whose folder it is: its file `id` says which data it belongs to, and where that is.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use omniq_core::OwnerId;

use super::atomic_publish::{Draft, retry};
use super::folder::Folder;
use super::liveness::{open_to_look, remove};
use super::presence::Presence;
use super::{regular_file, stale_lock};

/// How often another opener is waited for that is taking the folder over, and how long each time.
const WAITS: u32 = 400;
const WAIT: Duration = Duration::from_millis(5);

/// What some data says of a folder.
pub(crate) struct Ownership<'a> {
    folder: &'a Folder,
    file: PathBuf,
    id: &'a str,
    text: Vec<u8>,
}

/// Whose it is.
pub(crate) enum Belongs {
    Ours,
    /// It has our id, but was made for this place.
    CameFrom(String),
    /// Another database had it that was at this very place.
    Earlier,
    /// There is no saying.
    Strangers,
}

impl<'a> Ownership<'a> {
    pub(crate) fn new(folder: &'a Folder, id: &'a str) -> Self {
        let place = folder.data().as_os_str().as_encoded_bytes();
        Self {
            folder,
            file: folder.path().join("id"),
            id,
            text: [id.as_bytes(), b"\n", place, b"\n"].concat(),
        }
    }

    /// Reads whose the folder is. The first to come says that it is its own.
    pub(crate) fn stake(&self) -> io::Result<Belongs> {
        let found = retry(|| match self.read() {
            Err(e) if e.kind() == ErrorKind::NotFound => self.write_first().map(|()| None),
            found => found.map(Some),
        })?;
        let line = found.iter().position(|byte| *byte == b'\n');
        let (id, place) = found.split_at(line.unwrap_or(found.len()));
        Ok(if found == self.text {
            Belongs::Ours
        } else if id == self.id.as_bytes() {
            Belongs::CameFrom(String::from_utf8_lossy(place).trim().to_owned())
        } else if place == &self.text[self.id.len()..] {
            Belongs::Earlier
        } else {
            Belongs::Strangers
        })
    }

    /// Takes over what a deleted database left at this place. False if an owner of that one still lives: it
    /// must go on being seen. Of two who try at once, one waits for the other.
    pub(crate) fn adopt(&self) -> io::Result<bool> {
        let _turn = self.turn()?;
        if self.read()? == self.text {
            return Ok(true);
        }
        let Some(owners) = self.lock_owners()? else {
            return Ok(false);
        };
        retry(|| {
            self.draft()?
                .map_or(Ok(None), |draft| draft.publish(&self.file))
        })?;
        tracing::info!(
            folder = %self.folder.path().display(),
            owners = owners.len(),
            "took over what a deleted database left"
        );
        for (owner, lock) in owners {
            // Whoever is not forgotten now is found gone later, and holds nothing.
            if remove(self.folder, owner).is_ok() {
                stale_lock::mark(&lock);
            }
        }
        Ok(true)
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        // Longer than ours by a path at most.
        regular_file::read(&self.file, self.text.len() as u64 + 4_096)
    }

    fn write_first(&self) -> io::Result<()> {
        let Some(draft) = self.draft()? else {
            return Ok(());
        };
        match draft.publish_new(&self.file) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            published => published.map(drop),
        }
    }

    fn draft(&self) -> io::Result<Option<Draft>> {
        let Some(mut draft) = Draft::new(self.folder)? else {
            return Ok(None);
        };
        draft.file.write_all(&self.text)?;
        draft.file.sync_all()?;
        Ok(Some(draft))
    }

    /// The lock of who takes the folder over. Not that of `id` itself, which others must be able to read.
    fn turn(&self) -> io::Result<File> {
        let path = self.folder.path().join("adopting");
        let mut making = OpenOptions::new();
        making.write(true).create(true).truncate(false);
        let file = regular_file::open(&mut making, &path)?;
        self.folder.share(&path);
        for _ in 0..WAITS {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => thread::sleep(WAIT),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        let text = format!(
            "another process is taking it over, and holds {}",
            path.display()
        );
        Err(io::Error::new(ErrorKind::WouldBlock, text))
    }

    /// The files of all owners, locked. `None` if somebody else holds one, or may.
    fn lock_owners(&self) -> io::Result<Option<Vec<(OwnerId, File)>>> {
        let mut locked = Vec::new();
        for owner in Presence::owners(self.folder).map_err(io::Error::other)? {
            let path: &Path = &self.folder.owner(owner);
            match open_to_look(path) {
                Ok(file) if file.try_lock().is_ok() => locked.push((owner, file)),
                // What is no file of an owner's locks nothing.
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::InvalidData) => {}
                _ => return Ok(None),
            }
        }
        Ok(Some(locked))
    }
}
