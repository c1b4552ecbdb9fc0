//! The content of an owner's file: the boot and the process of its owner, and the identity of the file itself.

use std::fs::{File, Metadata};
use std::io;

use super::boot_id::BootId;
use super::regular_file;

/// The largest content that is read, in bytes; what we write is shorter.
const MAX_LENGTH: u64 = 512;

/// The lines of the file that are read back.
#[derive(Debug)]
pub(crate) struct OwnerFile {
    boot: BootId,
    /// The device and inode number of the file it was written into.
    file_id: String,
}

/// Returns what an owner writes into its file: the boot id, the process id (for people), and the file's own id.
pub(crate) fn content_for(file: &File) -> io::Result<String> {
    let file_id = file_id(&file.metadata()?);
    Ok(format!(
        "{}\n{}\n{file_id}\n",
        BootId::current().as_str(),
        std::process::id()
    ))
}

impl OwnerFile {
    /// Reads a file. `None` if the content was written into another file: any process can lock a copy while the
    /// owner is alive and holds the original.
    pub(crate) fn read(file: &File) -> Option<Self> {
        let text = regular_file::read_all(file, MAX_LENGTH).ok()?;
        let text = String::from_utf8(text).ok()?;
        let mut lines = text.lines();
        let boot = BootId::from_text(lines.next()?);
        let file_id = lines.nth(1).unwrap_or_default().to_owned();
        let content = Self { boot, file_id };
        if content.was_written_into(&file.metadata().ok()?) {
            Some(content)
        } else {
            None
        }
    }

    /// After a reboot the file is the same, but its device may have another number.
    fn was_written_into(&self, meta: &Metadata) -> bool {
        let actual = file_id(meta);
        let inode = |id: &str| id.split(' ').nth(1).map(str::to_owned);
        self.file_id == actual
            || self.is_of_an_earlier_boot() && inode(&self.file_id) == inode(&actual)
    }

    /// Whether the machine was rebooted since. False where boots have no id.
    pub(crate) fn is_of_an_earlier_boot(&self) -> bool {
        self.boot.is_same_as(&BootId::current()) == Some(false)
    }
}

/// Returns the numbers of the device and of the file on it, where the operating system has them.
#[cfg(unix)]
fn file_id(meta: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt as _;
    format!("{} {}", meta.dev(), meta.ino())
}

#[cfg(not(unix))]
fn file_id(_: &Metadata) -> String {
    String::new()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;

    use super::*;

    fn is_accepted(boot: &str, id: &str) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("owner");
        File::create(&path).unwrap();
        let meta = fs::metadata(&path).unwrap();
        let own = file_id(&meta);
        let another_device = format!("1{own}");
        let id = match id {
            "own" => &own,
            "another device" => &another_device,
            other => other,
        };
        fs::write(&path, format!("{boot}\n1\n{id}\n")).unwrap();
        OwnerFile::read(&File::open(&path).unwrap()).is_some()
    }

    #[test]
    fn content_that_was_written_into_another_file_is_ignored() {
        let current = BootId::current();
        for boot in ["-", current.as_str(), "an-earlier-boot"] {
            assert!(is_accepted(boot, "own"));
            assert!(!is_accepted(boot, ""));
            assert!(!is_accepted(boot, "1 1"));
        }
        assert!(!is_accepted("-", "another device"));
        assert!(!is_accepted(current.as_str(), "another device"));
        let boots_have_ids = current.as_str() != "-";
        assert_eq!(
            is_accepted("an-earlier-boot", "another device"),
            boots_have_ids
        );
    }
}
