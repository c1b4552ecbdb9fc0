//! Finds and reads the files that the rules apply to.

use std::path::{Path, PathBuf};

use crate::test_code::without_tests;

/// Returns the root of the repository.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// A source file: its path and its text without unit tests.
pub struct Source {
    /// The path from the root, with forward slashes.
    pub path: String,
    /// The text. Items under `#[cfg(test)]` are replaced by empty lines, so that line numbers stay right.
    pub text: String,
}

/// Returns every `.rs` file below the `src` of every crate, sorted by path.
///
/// # Errors
///
/// If a folder or file can't be read, or a file is no valid Rust.
pub fn sources() -> std::io::Result<Vec<Source>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("crates"))? {
        for path in files_below(&entry?.path().join("src"))? {
            if path.extension().is_some_and(|extension| extension == "rs") {
                let text = without_tests(&std::fs::read_to_string(&path)?)
                    .map_err(|error| std::io::Error::other(format!("{path:?}: {error}")))?;
                let path = from_root(&path);
                found.push(Source { path, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Returns every file in a folder and in those below it. Build output (`target`), Python environments (`venv`) and hidden
/// folders are left out.
///
/// # Errors
///
/// If a folder can't be read.
pub fn files_below(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !path.is_dir() {
            found.push(path);
        } else if name != "target" && name != "venv" && !name.starts_with('.') {
            found.extend(files_below(&path)?);
        }
    }
    Ok(found)
}

/// Returns a path relative to the root of the repository, with forward slashes.
pub fn from_root(path: &Path) -> String {
    let short = path.strip_prefix(root()).unwrap_or(path);
    short.to_string_lossy().replace('\\', "/")
}
