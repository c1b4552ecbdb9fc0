//! The permissions of new files and folders: they follow the base folder, so that users with different umasks do not lock
//! each other out.

use std::fs::{self, File, Metadata, OpenOptions};
use std::path::Path;

/// The permissions of the base folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Modes {
    /// `None` if the operating system has no such modes.
    #[cfg_attr(not(unix), allow(dead_code))]
    base: Option<u32>,
}

#[cfg(unix)]
impl Modes {
    pub(super) fn of(base: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let base = fs::metadata(base).map(|meta| meta.permissions().mode());
        Self { base: base.ok() }
    }

    /// Makes a file that is created get its mode immediately, unless the umask forbids it.
    pub(super) fn set(self, options: &mut OpenOptions) {
        use std::os::unix::fs::OpenOptionsExt as _;
        if let Some(base) = self.base {
            options.mode(base & 0o666);
        }
    }

    /// Gives a file its mode, if the umask was in the way. Only the owner may do this.
    pub(super) fn mend(self, file: &File, meta: &Metadata) {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = meta.permissions().mode() & 0o777;
        if let Some(base) = self.base
            && mode != base & 0o666
        {
            let _ = file.set_permissions(fs::Permissions::from_mode(base & 0o666));
        }
    }

    /// Gives a new folder its mode, except for the bits above the permissions, which it has from its parent.
    pub(super) fn mend_folder(self, path: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        let Ok(meta) = fs::symlink_metadata(path) else {
            return;
        };
        let mode = meta.permissions().mode() & 0o7777;
        if let Some(base) = self.base
            && mode & 0o777 != base & 0o777
        {
            let wanted = (mode & 0o7000) | (base & 0o777);
            let _ = fs::set_permissions(path, fs::Permissions::from_mode(wanted));
        }
    }
}

#[cfg(not(unix))]
impl Modes {
    pub(super) fn of(_: &Path) -> Self {
        Self { base: None }
    }

    pub(super) fn set(self, _: &mut OpenOptions) {}

    pub(super) fn mend(self, _: &File, _: &Metadata) {}

    pub(super) fn mend_folder(self, _: &Path) {}
}
