//! Tests communication between processes on one machine, with real files and real processes.
#![allow(clippy::unwrap_used, unreachable_pub)]

#[cfg(target_os = "linux")]
mod arrivals;
mod doorbell;
mod folder;
#[cfg(target_os = "linux")]
mod owner_exited;
mod peer;
mod presence;
mod write_lock;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use omniq_core::OwnerId;
use omniq_writer::ipc::Folder;
use tempfile::TempDir;

/// Nothing takes this long: a test that waits for this time has failed.
const CEILING: Duration = Duration::from_secs(20);

/// Data, and the folder beside it.
struct SharedDir {
    dir: TempDir,
    data: PathBuf,
    folder: Folder,
}

fn shared_dir() -> SharedDir {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("jobs.db");
    File::create(&data).unwrap();
    let folder = Folder::open(&data, "the-id").unwrap();
    SharedDir { dir, data, folder }
}

/// Returns what an owner writes into its file, which must exist: boot id, process id and file id.
fn owner_file_content(boot: &str, file: &Path) -> String {
    #[cfg(unix)]
    let file_id = {
        use std::os::unix::fs::MetadataExt as _;
        let meta = file.metadata().unwrap();
        format!("{} {}", meta.dev(), meta.ino())
    };
    #[cfg(not(unix))]
    let file_id = file.metadata().map(|_| "").unwrap();
    format!("{boot}\n1\n{file_id}\n")
}

fn owner(number: i64) -> OwnerId {
    OwnerId::from_i64(number).unwrap()
}
