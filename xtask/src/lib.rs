//! The rules of this repository. They are ordinary tests, in `tests/`: `cargo test -p xtask`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A source file: its path from the root, and its text without the unit tests at its end.
pub struct Source {
    /// From the root, with forward slashes.
    pub path: String,
    /// Up to `#[cfg(test)]`.
    pub text: String,
}

/// Every `.rs` file below the `src` of every crate.
///
/// # Errors
///
/// If a folder or file can't be read.
pub fn sources() -> std::io::Result<Vec<Source>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("crates"))? {
        collect(&entry?.path().join("src"), &mut found)?;
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn collect(folder: &Path, found: &mut Vec<Source>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            let whole = std::fs::read_to_string(&path)?;
            let text = whole
                .split("\n#[cfg(test)]")
                .next()
                .unwrap_or(&whole)
                .to_owned();
            let short = path.strip_prefix(root()).unwrap_or(&path);
            found.push(Source {
                path: short.to_string_lossy().replace('\\', "/"),
                text,
            });
        }
    }
    Ok(())
}
