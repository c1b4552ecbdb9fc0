//! The system's own disk.

use std::error::Error as StdError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{DirEntry, Disk, Kind, OpenFile};

/// More than most tasks take, so that one read is enough.
const USUAL: usize = 16 * 1024;

pub(crate) struct RealDisk;

struct RealFile {
    file: File,
    path: PathBuf,
}

impl Disk for RealDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        read(path).map_err(named(path))
    }

    fn write(&self, path: &Path, bytes: &[u8], make: bool) -> io::Result<()> {
        write(path, bytes, make).map_err(named(path))
    }

    fn make(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let made = OpenOptions::new().write(true).create_new(true).open(path);
        let written = made.and_then(|mut file| file.write_all(bytes));
        written.map_err(named(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to).map_err(named(from))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(named(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path).map_err(named(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path).map_err(named(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        list(path).map_err(named(path))
    }

    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        match fs::symlink_metadata(path) {
            Ok(meta) => Ok(Some(kind(meta.file_type()))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(named(path)(e)),
        }
    }

    fn meta(&self, path: &Path) -> io::Result<(SystemTime, u64)> {
        let meta = fs::symlink_metadata(path).and_then(|meta| Ok((meta.modified()?, meta.len())));
        meta.map_err(named(path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        let mut how = OpenOptions::new();
        how.read(true).write(true).create(true).truncate(false);
        let file = not_through_links(&mut how)
            .open(path)
            .map_err(named(path))?;
        let path = path.to_owned();
        Ok(Box::new(RealFile { file, path }))
    }

    fn sync_all(&self, folder: &Path) -> io::Result<()> {
        sync_all(folder).map_err(named(folder))
    }

    fn boot(&self) -> Option<String> {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_owned())
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
                Err(e) => return Err(named(&self.path)(e)),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        write_all(&self.file, bytes, at).map_err(named(&self.path))
    }

    fn len(&self) -> io::Result<u64> {
        let meta = self.file.metadata().map_err(named(&self.path))?;
        Ok(meta.len())
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data().map_err(named(&self.path))
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(e)) => Err(named(&self.path)(e)),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        self.file.unlock().map_err(named(&self.path))
    }

    #[cfg(unix)]
    fn is_in_place(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let id = |meta: fs::Metadata| (meta.dev(), meta.ino());
        let (Ok(open), Ok(named)) = (self.file.metadata(), fs::symlink_metadata(path)) else {
            return false;
        };
        id(open) == id(named)
    }

    #[cfg(not(unix))]
    fn is_in_place(&self, path: &Path) -> bool {
        path.exists()
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = not_through_links(OpenOptions::new().read(true)).open(path)?;
    let mut bytes = vec![0; USUAL];
    let read = loop {
        match file.read(&mut bytes) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    bytes.truncate(read);
    if read == USUAL {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// In place, and never through an empty file: some file systems flush one that is filled again.
fn write(path: &Path, bytes: &[u8], make: bool) -> io::Result<()> {
    let mut how = OpenOptions::new();
    how.write(true).create(make).truncate(false);
    let mut file = not_through_links(&mut how).open(path)?;
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
fn not_through_links(how: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    // A FIFO in a file's place must not hold up its reader.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    how.custom_flags(flags.bits().cast_signed())
}

#[cfg(not(unix))]
fn not_through_links(how: &mut OpenOptions) -> &mut OpenOptions {
    how
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
            // One that is gone by now needs no flush.
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

/// The error with the path it is about.
fn named(path: &Path) -> impl Fn(io::Error) -> io::Error + '_ {
    move |error| {
        let path = path.to_owned();
        io::Error::new(error.kind(), Named { path, error })
    }
}

#[derive(Debug)]
struct Named {
    path: PathBuf,
    error: io::Error,
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.error)
    }
}

impl StdError for Named {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.error)
    }
}
