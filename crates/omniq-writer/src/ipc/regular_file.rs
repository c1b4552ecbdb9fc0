//! Opens plain files only, and reads no more than is ours. Whoever may write the folder may put anything
//! there: a FIFO would hold up its reader for ever, and a link may lead to a file without end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Opens it if it is a plain file, and not behind a link. Never waits for anybody.
pub(crate) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // Some devices do something when they are merely opened.
    if fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(strange());
    }
    // What is there may be replaced after that look.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NONBLOCK | libc::O_NOFOLLOW);
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(strange()),
    }
}

/// All of a plain file that is no longer than this.
pub(crate) fn read(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    read_all(&open(OpenOptions::new().read(true), path)?, longest)
}

/// The rest of what is no longer than this.
pub(crate) fn read_all(source: impl Read, longest: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = source.take(longest + 1).read_to_end(&mut text)?;
    match read as u64 > longest {
        false => Ok(text),
        true => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is longer than what OmniQ writes",
        )),
    }
}

fn strange() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not a plain file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_allowed_is_an_error() {
        assert_eq!(read_all(&b"1234"[..], 4).unwrap(), b"1234");
        assert!(read_all(&b"12345"[..], 4).is_err());
        assert!(read_all(io::repeat(0), 4).is_err());
    }

    #[test]
    fn only_plain_files_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "text").unwrap();
        assert_eq!(read(&file, 4).unwrap(), b"text");
        assert!(read(dir.path(), 4).is_err());
        let missing = read(&dir.path().join("missing"), 4).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        #[cfg(unix)]
        {
            let link = dir.path().join("link");
            std::os::unix::fs::symlink(&file, &link).unwrap();
            assert!(read(&link, 4).is_err());
        }
    }
}
