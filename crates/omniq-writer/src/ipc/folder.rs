//! The folder beside the data, and whether it belongs to this data only.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::{error, fmt};

use omniq_core::OwnerId;

use super::ownership::{Belongs, Ownership};
use super::{mounts, regular_file};

/// `<data>-omniq`: where the processes that share some data leave word for each other.
///
/// It holds `id` (which data it belongs to), `bell`, `turn`, `owners/` and `started/`; and `adopting`, a
/// lock, where a deleted database left it behind.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    owners: PathBuf,
    notes: PathBuf,
    data: PathBuf,
    arrivals: Option<PathBuf>,
}

/// Why doorbell and presence are off for some data. No error for anybody's work: the safety check and the
/// leases do without them, later.
#[derive(Debug)]
pub struct Unavailable {
    reason: String,
    source: Option<io::Error>,
}

impl Folder {
    /// Opens the folder beside `data`, a file that exists, and makes it where it is missing. `id` is the
    /// random id that the data itself carries. Links are followed, so that every path to the same file
    /// leads to the same folder.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], with what to do about it: the data is on a file system that other machines may share, the
    /// folder came here with a copied or moved file, it belongs to other data, or it can't be written.
    pub fn open(data: &Path, id: &str) -> Result<Self, Unavailable> {
        let data = fs::canonicalize(data)
            .map_err(|e| Unavailable::because(format!("{} can't be found", data.display()), e))?;
        if let Some(kind) = mounts::shared(&data) {
            return Err(Unavailable::new(format!(
                "{} is on {kind}, where other machines may use it unseen",
                data.display()
            )));
        }
        let path = beside(&data);
        let owners = path.join("owners");
        let notes = path.join("started");
        let folder = Self {
            path,
            owners,
            notes,
            data,
            arrivals: None,
        };
        let unusable =
            |e| Unavailable::because(format!("{} can't be used", folder.path.display()), e);
        folder.make().map_err(unusable)?;
        folder.check(id)?;
        Ok(folder)
    }

    /// Files that arrive in this folder, which exists, are news too: a [`Doorbell`](super::Doorbell) that is
    /// opened from now on hears them as a ring, where the system tells (on Linux).
    #[must_use]
    pub fn with_arrivals(mut self, arrivals: &Path) -> Self {
        // Without links, as events name it. One that is not there can't be watched, which is said then.
        let path = fs::canonicalize(arrivals);
        self.arrivals = Some(path.unwrap_or_else(|_| arrivals.to_owned()));
        self
    }

    pub(crate) fn arrivals(&self) -> Option<&Path> {
        self.arrivals.as_deref()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn bell(&self) -> PathBuf {
        self.path.join("bell")
    }

    /// The file whose lock is the turn to write.
    pub(crate) fn turn(&self) -> PathBuf {
        self.path.join("turn")
    }

    pub(crate) fn owners(&self) -> &Path {
        &self.owners
    }

    /// The file whose lock says that its owner is there.
    pub(crate) fn owner(&self, owner: OwnerId) -> PathBuf {
        self.owners.join(owner.to_string())
    }

    /// The file in which an owner notes what it has started. Not in a folder that is watched: each note
    /// would wake every process.
    pub(crate) fn started(&self, owner: OwnerId) -> PathBuf {
        self.notes.join(owner.to_string())
    }

    /// Whoever may write the data may write what is beside it. An attempt: leases do without.
    #[cfg(unix)]
    pub(crate) fn share(&self, path: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        let Ok(data) = fs::metadata(&self.data) else {
            return;
        };
        let mode = data.permissions().mode() & 0o666;
        // Who may read a folder must be able to enter it.
        let enter = if path.is_dir() {
            (mode & 0o444) >> 2
        } else {
            0
        };
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode | enter));
    }

    #[cfg(not(unix))]
    pub(crate) fn share(&self, _: &Path) {}

    fn make(&self) -> io::Result<()> {
        for folder in [&self.path, &self.owners, &self.notes] {
            match fs::create_dir(folder) {
                Ok(()) => self.share(folder),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        self.open_bell().map(drop)
    }

    /// The bell, made where it is missing.
    pub(crate) fn open_bell(&self) -> io::Result<fs::File> {
        let path = self.bell();
        match regular_file::open(OpenOptions::new().write(true), &path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let mut making = OpenOptions::new();
        making.write(true).create(true).truncate(false);
        let bell = regular_file::open(&mut making, &path)?;
        self.share(&path);
        Ok(bell)
    }

    /// Whether the folder belongs to this data at this place. The first to come says so in it; what a
    /// deleted database left here is taken over.
    fn check(&self, id: &str) -> Result<(), Unavailable> {
        let claim = Ownership::new(self, id);
        let unusable =
            |e| Unavailable::because(format!("{} can't be used", self.path.display()), e);
        match claim.stake().map_err(unusable)? {
            Belongs::Ours => Ok(()),
            Belongs::CameFrom(place) => Err(self.stranger(Some(&place))),
            Belongs::Strangers => Err(self.stranger(None)),
            Belongs::Earlier if claim.adopt().map_err(unusable)? => Ok(()),
            Belongs::Earlier => Err(self.inhabited()),
        }
    }

    fn stranger(&self, place: Option<&str>) -> Unavailable {
        let (folder, data) = (self.path.display(), self.data.display());
        let why = match place {
            Some(place) => {
                format!("{folder} was made for {place} and came to {data} by a copy or move")
            }
            None => format!("{folder} belongs to other data than what is in {data} now"),
        };
        Unavailable::new(format!(
            "{why}: delete {folder} while no process uses {data}"
        ))
    }

    fn inhabited(&self) -> Unavailable {
        let folder = self.path.display();
        Unavailable::new(format!(
            "{folder} belongs to another database at this path, perhaps a deleted one: end the processes \
             that still use it, or delete {folder}"
        ))
    }
}

/// `jobs.db-omniq` for `jobs.db`.
fn beside(data: &Path) -> PathBuf {
    let mut path = data.as_os_str().to_owned();
    path.push("-omniq");
    path.into()
}

impl Unavailable {
    fn new(reason: String) -> Self {
        Self {
            reason,
            source: None,
        }
    }

    fn because(reason: String, source: io::Error) -> Self {
        Self {
            reason,
            source: Some(source),
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "doorbell and presence are off: {}", self.reason)?;
        self.source
            .as_ref()
            .map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}

impl error::Error for Unavailable {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
