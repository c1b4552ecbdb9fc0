//! Opens the folder beside the data, and checks that it belongs to this data: its file `id` says to which data,
//! and to which path.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use omniq_core::{Error, ErrorKind, OwnerId, Result};

use super::atomic_publish::{Draft, retry};
use super::folder::Folder;
use super::liveness::{open_to_probe, remove_files};
use super::presence::Presence;
use super::{mounts, regular_file, stale_lock};

/// How often to wait for another process that is taking the folder over, and how long each time.
const WAITS: u32 = 400;
const WAIT: Duration = Duration::from_millis(5);

impl Folder {
    /// Opens the folder beside `data`, a file that exists, and creates it if it is missing. `id` is the random
    /// id that the data itself carries. Links are followed, so that every path to the same file leads to the
    /// same folder.
    ///
    /// # Errors
    ///
    /// Doorbell and presence are off for this data, and the error, of kind [`ErrorKind::Storage`], says what to
    /// do about it: the data is on a file system that other machines may share, the folder came here with a
    /// copied or moved file, it belongs to other data, or it can't be written. A storage still works without
    /// them, only slower: it relies on the safety check and on leases.
    pub fn open(data: &Path, id: &str) -> Result<Self> {
        let missing = |e| off(format!("{} can't be found", data.display())).with_source(e);
        let data = fs::canonicalize(data).map_err(missing)?;
        if let Some(kind) = mounts::shared(&data) {
            return Err(off(format!(
                "{} is on {kind}, where processes of other machines may use it without being noticed",
                data.display()
            )));
        }
        let folder = Self::beside(data);
        let unusable = |e| off(format!("{} can't be used", folder.path().display())).with_source(e);
        folder.create().map_err(unusable)?;
        let ownership = Ownership::new(&folder, id);
        match ownership.determine().map_err(unusable)? {
            BelongsTo::ThisData => {}
            BelongsTo::ThisDataAt(path) => return Err(moved(&folder, &path)),
            BelongsTo::OtherData => return Err(foreign(&folder)),
            BelongsTo::EarlierData => {
                if !ownership.take_over().map_err(unusable)? {
                    return Err(in_use(&folder));
                }
            }
        }
        Ok(folder)
    }
}

/// Compares a folder's file `id` with some data.
struct Ownership<'a> {
    folder: &'a Folder,
    file: PathBuf,
    id: &'a str,
    /// The content of the file if the folder belongs to this data.
    expected: Vec<u8>,
}

/// Which data a folder belongs to.
enum BelongsTo {
    ThisData,
    /// It has our id, but was created for this path.
    ThisDataAt(String),
    /// Another database that was at the same path.
    EarlierData,
    /// Other data, or it can't be determined.
    OtherData,
}

impl<'a> Ownership<'a> {
    fn new(folder: &'a Folder, id: &'a str) -> Self {
        let path = folder.data().as_os_str().as_encoded_bytes();
        Self {
            folder,
            file: folder.path().join("id"),
            id,
            expected: [id.as_bytes(), b"\n", path, b"\n"].concat(),
        }
    }

    /// Returns which data the folder belongs to. The first process claims the folder for its own data.
    fn determine(&self) -> io::Result<BelongsTo> {
        let found = retry(|| match self.read() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.write_first().map(|()| None),
            found => found.map(Some),
        })?;
        let line_end = found.iter().position(|byte| *byte == b'\n');
        let (id, path) = found.split_at(line_end.unwrap_or(found.len()));
        Ok(if found == self.expected {
            BelongsTo::ThisData
        } else if id == self.id.as_bytes() {
            BelongsTo::ThisDataAt(String::from_utf8_lossy(path).trim().to_owned())
        } else if path == &self.expected[self.id.len()..] {
            BelongsTo::EarlierData
        } else {
            BelongsTo::OtherData
        })
    }

    /// Takes the folder over from a deleted database at the same path. Returns false if an owner of that
    /// database is still alive, which must remain visible. If two processes try at the same time, one waits for
    /// the other.
    fn take_over(&self) -> io::Result<bool> {
        let _lock = self.lock()?;
        if self.read()? == self.expected {
            return Ok(true);
        }
        let Some(owners) = self.lock_owners()? else {
            return Ok(false);
        };
        retry(|| match self.draft()? {
            Some(draft) => draft.publish(&self.file),
            None => Ok(None),
        })?;
        tracing::info!(
            folder = %self.folder.path().display(),
            owners = owners.len(),
            "took over the folder of a deleted database"
        );
        for (owner, lock) in owners {
            // An owner that is not removed now is found dead later, and holds nothing.
            if remove_files(self.folder, owner).is_ok() {
                stale_lock::mark(&lock);
            }
        }
        Ok(true)
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        // The text of other data differs in its path, so it is longer than ours by the length of a path at most.
        regular_file::read(&self.file, self.expected.len() as u64 + 4_096)
    }

    fn write_first(&self) -> io::Result<()> {
        let Some(draft) = self.draft()? else {
            return Ok(());
        };
        match draft.publish_new(&self.file) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            published => published.map(drop),
        }
    }

    fn draft(&self) -> io::Result<Option<Draft>> {
        let Some(mut draft) = Draft::new(self.folder)? else {
            return Ok(None);
        };
        draft.file.write_all(&self.expected)?;
        draft.file.sync_all()?;
        Ok(Some(draft))
    }

    /// Takes the lock for taking the folder over. It is not that of `id` itself, which other processes must be
    /// able to read.
    fn lock(&self) -> io::Result<File> {
        let path = self.folder.path().join("adopting");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let file = regular_file::open(&mut options, &path)?;
        self.folder.copy_permissions_to(&path);
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
        Err(io::Error::new(io::ErrorKind::WouldBlock, text))
    }

    /// Locks the files of all owners. `None` if another process holds one, or may hold one.
    fn lock_owners(&self) -> io::Result<Option<Vec<(OwnerId, File)>>> {
        use io::ErrorKind::{InvalidData, NotFound};
        let mut locked = Vec::new();
        for owner in Presence::owners(self.folder).map_err(io::Error::other)? {
            match open_to_probe(&self.folder.owner(owner)) {
                Ok(file) if file.try_lock().is_ok() => locked.push((owner, file)),
                // Something that is not a regular file was not created by an owner.
                Err(e) if matches!(e.kind(), NotFound | InvalidData) => {}
                _ => return Ok(None),
            }
        }
        Ok(Some(locked))
    }
}

fn off(reason: String) -> Error {
    let text = format!("doorbell and presence are off: {reason}");
    Error::new(ErrorKind::Storage, text)
}

fn moved(folder: &Folder, from: &str) -> Error {
    let (path, data) = (folder.path().display(), folder.data().display());
    off(format!(
        "{path} was created for {from} and came to {data} by a copy or move: delete {path} while no process \
         uses {data}"
    ))
}

fn foreign(folder: &Folder) -> Error {
    let (path, data) = (folder.path().display(), folder.data().display());
    off(format!(
        "{path} belongs to other data than what is in {data} now: delete {path} while no process uses {data}"
    ))
}

fn in_use(folder: &Folder) -> Error {
    let path = folder.path().display();
    off(format!(
        "{path} belongs to another database at this path, perhaps a deleted one: end the processes that still \
         use it, or delete {path}"
    ))
}
