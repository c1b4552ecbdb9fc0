//! The mount of the file system that the folder is on: what was written and not flushed is lost with it, and a volume may
//! come back without a reboot (a USB disk, a loop device, iSCSI).

use std::path::Path;

use omniq_writer::ipc::BootId;

use crate::disk::Disk;

/// Identifies a mount: the boot, and a number that no other mount of this boot has; `None` if the operating system has
/// no such number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) boot: BootId,
    number: Option<u64>,
}

impl Mount {
    pub(crate) fn of(disk: &dyn Disk, folder: &Path) -> Self {
        Self {
            boot: disk.boot(),
            number: disk.mount(folder),
        }
    }

    /// Whether both are certainly the same mount. Two mounts of one file system, as in two containers, differ.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        let same_boot = self.boot.is_same_as(&other.boot) == Some(true);
        same_boot && self.number.is_some() && self.number == other.number
    }

    /// Returns the text in the log: the boot id, then `#` and the number, if there is one.
    pub(crate) fn to_text(&self) -> String {
        match self.number {
            Some(number) => format!("{}#{number}", self.boot.as_str()),
            None => self.boot.as_str().to_owned(),
        }
    }

    pub(crate) fn from_text(text: &str) -> Self {
        let with_number = text
            .rsplit_once('#')
            .and_then(|(boot, number)| Some((boot, number.parse().ok()?)));
        let (boot, number) = with_number.map_or((text, None), |(boot, n)| (boot, Some(n)));
        let boot = BootId::from_text(boot);
        Self { boot, number }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_the_same_only_if_boot_and_number_are_known_and_equal() {
        let texts = ["one#1", "one#2", "other#1", "one", "-", "-#1"];
        for (at, text) in texts.iter().enumerate() {
            let mount = Mount::from_text(text);
            assert_eq!(mount.to_text(), *text);
            for (other_at, other) in texts.iter().enumerate() {
                let same = mount.is_same_as(&Mount::from_text(other));
                assert_eq!(same, at == other_at && at < 3, "{text} {other}");
            }
        }
    }
}
