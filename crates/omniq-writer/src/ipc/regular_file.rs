//! Opens only regular files, and reads no more than OmniQ writes. Any program that may write the folder can put
//! anything there: a FIFO would block its reader for ever, and a link may lead to an endless file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Opens a regular file; fails for links and all other kinds of files. Never blocks.
pub(crate) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // Merely opening some devices has an effect.
    if fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(not_regular());
    }
    // The file may be replaced after that check.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NONBLOCK | libc::O_NOFOLLOW);
    let file = options.open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(not_regular()),
    }
}

/// Reads a regular file of at most `max_length` bytes.
pub(crate) fn read(path: &Path, max_length: u64) -> io::Result<Vec<u8>> {
    read_all(&open(OpenOptions::new().read(true), path)?, max_length)
}

/// Reads the rest of a source; fails if it has more than `max_length` bytes.
pub(crate) fn read_all(source: impl Read, max_length: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let read = source.take(max_length + 1).read_to_end(&mut text)?;
    match read as u64 > max_length {
        false => Ok(text),
        true => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is longer than what OmniQ writes",
        )),
    }
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_long_is_an_error() {
        assert_eq!(read_all(&b"1234"[..], 4).unwrap(), b"1234");
        assert!(read_all(&b"12345"[..], 4).is_err());
        assert!(read_all(io::repeat(0), 4).is_err());
    }

    #[test]
    fn only_regular_files_are_opened() {
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
