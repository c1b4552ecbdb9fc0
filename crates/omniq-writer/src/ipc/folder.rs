//! The folder beside the data: its paths, and the permissions of its files.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use omniq_core::OwnerId;

use super::regular_file;

/// `<data>-omniq`, the folder in which the processes that share some data communicate.
///
/// It holds `id` (which data it belongs to), `bell`, `turn`, `owners/` and `started/`; and `adopting`, a lock
/// file, if it was taken over from a deleted database.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    owners: PathBuf,
    started: PathBuf,
    data: PathBuf,
    arrivals: Option<PathBuf>,
}

impl Folder {
    /// Returns the paths beside `data`, which is a canonical path. Touches no file.
    pub(crate) fn beside(data: PathBuf) -> Self {
        let mut path = data.as_os_str().to_owned();
        path.push("-omniq");
        let path = PathBuf::from(path);
        Self {
            owners: path.join("owners"),
            started: path.join("started"),
            path,
            data,
            arrivals: None,
        }
    }

    /// Doorbells that are opened from now on also ring for files that arrive in this folder, where the operating system
    /// reports them (on Linux). The folder must exist.
    #[must_use]
    pub fn with_arrivals(mut self, arrivals: &Path) -> Self {
        // Events name the path without links. A missing folder can't be watched, which is logged then.
        let path = fs::canonicalize(arrivals);
        self.arrivals = Some(path.unwrap_or_else(|_| arrivals.to_owned()));
        self
    }

    pub(crate) fn arrivals(&self) -> Option<&Path> {
        self.arrivals.as_deref()
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn bell(&self) -> PathBuf {
        self.path.join("bell")
    }

    /// The file that is locked by the process that writes.
    pub(crate) fn write_lock(&self) -> PathBuf {
        self.path.join("turn")
    }

    pub(crate) fn owners(&self) -> &Path {
        &self.owners
    }

    /// The file that this owner's process keeps locked.
    pub(crate) fn owner(&self, owner: OwnerId) -> PathBuf {
        self.owners.join(owner.to_string())
    }

    /// The file in which an owner records what it has started. It is not in a folder that is watched: each
    /// record would wake every process.
    pub(crate) fn started(&self, owner: OwnerId) -> PathBuf {
        self.started.join(owner.to_string())
    }

    /// Copies the data file's permissions. Best effort: without it, leases still work.
    #[cfg(unix)]
    pub(crate) fn copy_permissions_to(&self, path: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        let Ok(data) = fs::metadata(&self.data) else {
            return;
        };
        let mode = data.permissions().mode() & 0o666;
        // A user who may read a folder must be able to enter it.
        let enter = if path.is_dir() {
            (mode & 0o444) >> 2
        } else {
            0
        };
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(mode | enter));
    }

    #[cfg(not(unix))]
    pub(crate) fn copy_permissions_to(&self, _: &Path) {}

    /// Creates the folders and the bell if they are missing.
    pub(crate) fn create(&self) -> io::Result<()> {
        for folder in [&self.path, &self.owners, &self.started] {
            match fs::create_dir(folder) {
                Ok(()) => self.copy_permissions_to(folder),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
        self.open_bell().map(drop)
    }

    /// Opens the bell, and creates it if it is missing.
    pub(crate) fn open_bell(&self) -> io::Result<fs::File> {
        let path = self.bell();
        match regular_file::open(OpenOptions::new().write(true), &path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let bell = regular_file::open(&mut options, &path)?;
        self.copy_permissions_to(&path);
        Ok(bell)
    }
}
