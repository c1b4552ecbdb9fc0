//! Detects that the limit on open files is reached: SQLite reports only that a file can't be opened.

use std::fs::File;
use std::io;
use std::path::Path;

pub(crate) const ADVICE: &str = " (too many files are open: raise the limit for each process, `ulimit -n`, or that of \
     the machine, on Linux `fs.file-max`)";

/// SQLite opens three files for a database: the database itself, its `-wal` and its `-shm`.
const FILES: usize = 3;

/// Returns whether a limit forbids opening as many files as a database needs.
pub(crate) fn is_reached(database: &Path) -> bool {
    // The folder is opened instead of the database's file: closing that would release SQLite's locks on it.
    let folder = match database.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let opened: io::Result<Vec<File>> = (0..FILES).map(|_| File::open(folder)).collect();
    opened.is_err_and(|error| is_limit(&error))
}

/// Compares with `ENFILE` and `EMFILE`, which have the same numbers on every Unix, or with Windows' code.
fn is_limit(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    match cfg!(windows) {
        true => code == Some(4),
        false => matches!(code, Some(23 | 24)),
    }
}
