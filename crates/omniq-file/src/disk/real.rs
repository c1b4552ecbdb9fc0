//! The disk of the operating system.

use std::error::Error as StdError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use omniq_writer::ipc::BootId;

use super::{DirEntry, Disk, Kind, OpenFile};

/// Most task files are shorter than this, so one call reads them.
const FIRST_READ: usize = 16 * 1024;

pub(crate) struct RealDisk;

struct RealFile {
    file: File,
    path: PathBuf,
}

impl Disk for RealDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read(path).map_err(at_path(path))
    }

    fn write(&self, path: &Path, bytes: &[u8], create: bool) -> io::Result<()> {
        write(path, bytes, create).map_err(at_path(path))
    }

    fn create_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let created = OpenOptions::new().write(true).create_new(true).open(path);
        let written = created.and_then(|mut file| file.write_all(bytes));
        written.map_err(at_path(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to).map_err(at_path(from))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(at_path(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path).map_err(at_path(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path).map_err(at_path(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        list(path).map_err(at_path(path))
    }

    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        match fs::symlink_metadata(path) {
            Ok(meta) => Ok(Some(kind(meta.file_type()))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(at_path(path)(e)),
        }
    }

    fn meta(&self, path: &Path) -> io::Result<(SystemTime, u64)> {
        let meta = fs::symlink_metadata(path).and_then(|meta| Ok((meta.modified()?, meta.len())));
        meta.map_err(at_path(path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = without_following_links(&mut options)
            .open(path)
            .map_err(at_path(path))?;
        let path = path.to_owned();
        Ok(Box::new(RealFile { file, path }))
    }

    fn sync_all(&self, folder: &Path) -> io::Result<()> {
        sync_all(folder).map_err(at_path(folder))
    }

    fn boot(&self) -> BootId {
        BootId::current()
    }
}

impl OpenFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match read_some(&self.file, &mut buffer[done..], at + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(at_path(&self.path)(e)),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        write_all(&self.file, bytes, at).map_err(at_path(&self.path))
    }

    fn len(&self) -> io::Result<u64> {
        let meta = self.file.metadata().map_err(at_path(&self.path))?;
        Ok(meta.len())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data().map_err(at_path(&self.path))
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(e)) => Err(at_path(&self.path)(e)),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock().map_err(at_path(&self.path))
    }

    #[cfg(unix)]
    fn is_at(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let id = |meta: fs::Metadata| (meta.dev(), meta.ino());
        let (Ok(open), Ok(at_path)) = (self.file.metadata(), fs::symlink_metadata(path)) else {
            return false;
        };
        id(open) == id(at_path)
    }

    #[cfg(not(unix))]
    fn is_at(&self, path: &Path) -> bool {
        path.exists()
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = without_following_links(OpenOptions::new().read(true)).open(path)?;
    let mut bytes = vec![0; FIRST_READ];
    let read = loop {
        match file.read(&mut bytes) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    bytes.truncate(read);
    if read == FIRST_READ {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Overwrites the file and then truncates it. It is never empty in between, because some file systems flush a file that
/// is written after it was truncated to zero.
fn write(path: &Path, bytes: &[u8], create: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(create).truncate(false);
    let mut file = without_following_links(&mut options).open(path)?;
    let before = file.metadata()?.len();
    file.write_all(bytes)?;
    if before > bytes.len() as u64 {
        file.set_len(bytes.len() as u64)?;
    }
    Ok(())
}

fn list(path: &Path) -> io::Result<Vec<DirEntry>> {
    let entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        let kind = kind(entry.file_type()?);
        let name = entry.file_name();
        Ok(DirEntry { name, kind })
    };
    fs::read_dir(path)?.map(entry).collect()
}

fn kind(of: fs::FileType) -> Kind {
    match () {
        () if of.is_dir() => Kind::Folder,
        () if of.is_file() => Kind::File,
        () => Kind::Other,
    }
}

#[cfg(unix)]
fn without_following_links(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    // Opening a FIFO that is where a file belongs must not block.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.custom_flags(flags.bits().cast_signed())
}

#[cfg(not(unix))]
fn without_following_links(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(target_os = "linux")]
fn sync_all(folder: &Path) -> io::Result<()> {
    rustix::fs::syncfs(File::open(folder)?).map_err(io::Error::from)
}

#[cfg(not(target_os = "linux"))]
fn sync_all(folder: &Path) -> io::Result<()> {
    for found in list(folder)? {
        let path = folder.join(&found.name);
        match found.kind {
            Kind::Folder => sync_all(&path)?,
            // A file that was removed in the meantime needs no flush.
            Kind::File => {
                super::if_exists(File::open(&path).and_then(|file| file.sync_all())).map(drop)?
            }
            Kind::Other => {}
        }
    }
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(unix)]
fn read_some(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, at)
}

#[cfg(unix)]
fn write_all(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn read_some(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, at)
}

#[cfg(windows)]
fn write_all(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}

/// Adds the path to an error.
fn at_path(path: &Path) -> impl Fn(io::Error) -> io::Error + '_ {
    move |error| {
        let path = path.to_owned();
        io::Error::new(error.kind(), AtPath { path, error })
    }
}

#[derive(Debug)]
struct AtPath {
    path: PathBuf,
    error: io::Error,
}

impl std::fmt::Display for AtPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "I/O error at {}", self.path.display())
    }
}

impl StdError for AtPath {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.error)
    }
}
