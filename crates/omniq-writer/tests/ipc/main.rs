//! What processes on one machine tell each other, with real files and real processes.
#![allow(clippy::unwrap_used, unreachable_pub)]

#[cfg(target_os = "linux")]
mod arrivals;
mod doorbell;
mod folder;
mod neighbour;
#[cfg(target_os = "linux")]
mod owner_exited;
mod presence;
mod write_lock;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use omniq_core::OwnerId;
use omniq_writer::ipc::Folder;
use tempfile::TempDir;

/// Nothing takes this long; a test that waits for it has failed.
const CEILING: Duration = Duration::from_secs(20);

/// Some data, and a folder beside it.
struct Place {
    dir: TempDir,
    data: PathBuf,
    folder: Folder,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("jobs.db");
    File::create(&data).unwrap();
    let folder = Folder::open(&data, "the-id").unwrap();
    Place { dir, data, folder }
}

/// What an owner writes into its file: boot id, process id, and the numbers of the file, which must exist.
fn introduction(boot: &str, file: &Path) -> String {
    #[cfg(unix)]
    let numbers = {
        use std::os::unix::fs::MetadataExt as _;
        let meta = file.metadata().unwrap();
        format!("{} {}", meta.dev(), meta.ino())
    };
    #[cfg(not(unix))]
    let numbers = file.metadata().map(|_| "").unwrap();
    format!("{boot}\n1\n{numbers}\n")
}

fn owner(number: i64) -> OwnerId {
    OwnerId::from_i64(number).unwrap()
}
