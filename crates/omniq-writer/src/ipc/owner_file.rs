//! What an owner's file says: of which boot and process its owner is, and which file it is itself.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;

use super::regular_file;

/// Where there is no boot id.
const NO_BOOT: &str = "-";

/// In bytes; what we write is shorter.
const LONGEST: u64 = 512;

/// The first three lines.
#[derive(Debug)]
pub(crate) struct OwnerFile {
    boot: String,
    file: String,
}

/// For a file's owner to write: the boot id, the process id, for people, and the numbers of the file.
pub(crate) fn of(file: &File) -> io::Result<String> {
    let numbers = numbers(&file.metadata()?);
    Ok(format!(
        "{}\n{}\n{numbers}\n",
        boot_id(),
        std::process::id()
    ))
}

impl OwnerFile {
    /// What a file says. `None` if that was not written into this very file: anybody can lock a copy, while
    /// the owner lives and holds the file that was copied.
    pub(crate) fn read(file: &File) -> Option<Self> {
        let text = regular_file::read_all(file, LONGEST).ok()?;
        let text = String::from_utf8(text).ok()?;
        let mut lines = text.lines();
        let boot = lines.next()?.to_owned();
        let said = lines.nth(1).unwrap_or_default().to_owned();
        let introduction = Self { boot, file: said };
        introduction
            .fits(&file.metadata().ok()?)
            .then_some(introduction)
    }

    /// After a reboot the file is the same, but its device may have another number.
    fn fits(&self, meta: &Metadata) -> bool {
        let actual = numbers(meta);
        let file_alone = |numbers: &str| numbers.split(' ').nth(1).map(str::to_owned);
        self.file == actual
            || self.is_of_an_earlier_boot() && file_alone(&self.file) == file_alone(&actual)
    }

    /// Whether the machine was started again since. False where nothing tells.
    pub(crate) fn is_of_an_earlier_boot(&self) -> bool {
        let now = boot_id();
        now != NO_BOOT && self.boot != NO_BOOT && self.boot != now
    }
}

/// Of the device, and of the file on it, where the system has some.
#[cfg(unix)]
fn numbers(meta: &Metadata) -> String {
    use std::os::unix::fs::MetadataExt as _;
    format!("{} {}", meta.dev(), meta.ino())
}

#[cfg(not(unix))]
fn numbers(_: &Metadata) -> String {
    String::new()
}

fn boot_id() -> String {
    let id = fs::read_to_string(Path::new("/proc/sys/kernel/random/boot_id"));
    id.map_or_else(|_| NO_BOOT.to_owned(), |id| id.trim().to_owned())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn reads(boot: &str, numbers: &str) -> bool {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("owner");
        File::create(&path).unwrap();
        let meta = fs::metadata(&path).unwrap();
        let own = super::numbers(&meta);
        let another_device = format!("1{own}");
        let numbers = match numbers {
            "own" => &own,
            "another device" => &another_device,
            other => other,
        };
        fs::write(&path, format!("{boot}\n1\n{numbers}\n")).unwrap();
        OwnerFile::read(&File::open(&path).unwrap()).is_some()
    }

    #[test]
    fn only_what_was_written_into_this_file_counts() {
        for boot in [NO_BOOT, &boot_id(), "an-earlier-boot"] {
            assert!(reads(boot, "own"));
            assert!(!reads(boot, ""));
            assert!(!reads(boot, "1 1"));
        }
        assert!(!reads(NO_BOOT, "another device"));
        assert!(!reads(&boot_id(), "another device"));
        let boots_have_ids = boot_id() != NO_BOOT;
        assert_eq!(reads("an-earlier-boot", "another device"), boots_have_ids);
    }
}
