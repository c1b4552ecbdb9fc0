//! Whether the system lets a process open files: SQLite says only that one can't be opened.

use std::fs::File;
use std::io;
use std::path::Path;

pub(crate) const ADVICE: &str = " (too many files are open: raise the limit for each process, `ulimit -n`, or that of \
     the machine, on Linux `fs.file-max`)";

/// The files that SQLite opens for a database: itself, its `-wal`, and its `-shm`.
const FILES: usize = 3;

/// Whether as many files as a database needs can't be opened because of a limit.
pub(crate) fn no_more_files(database: &Path) -> bool {
    // The folder: closing the database's own file would take away SQLite's locks on it.
    let folder = match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let opened: io::Result<Vec<File>> = (0..FILES).map(|_| File::open(folder)).collect();
    opened.is_err_and(|error| is_limit(&error))
}

/// `ENFILE` and `EMFILE`, the same numbers on every Unix; or what Windows says.
fn is_limit(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    match cfg!(windows) {
        true => code == Some(4),
        false => matches!(code, Some(23 | 24)),
    }
}
