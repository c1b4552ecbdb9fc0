//! Reports the results that the database holds.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use indicatif::{DecimalBytes, HumanCount};
use omniq::{AsyncOmniQ, TaskStatus};

use crate::digest::{Digest, stored};
use crate::{Listing, Result};

pub struct Report {
    /// Every file with its digest, the largest first.
    done: Vec<(String, Digest)>,
    /// Every file that could not be read, with the reason.
    failed: Vec<(PathBuf, String)>,
}

/// Reads the stored results of the files that were found.
pub async fn read(omniq: &AsyncOmniQ, listing: &Listing) -> Result<Report> {
    let mut stored = stored(omniq).await?;
    let mut report = Report {
        done: Vec::new(),
        failed: listing.left_out.clone(),
    };
    for file in &listing.files {
        let task = stored.remove(&file.key());
        match task.and_then(|task| task.outcome()) {
            Some(result) if result.status == TaskStatus::Success => {
                report.done.push((file.path.clone(), result.decode()?));
            }
            Some(result) => {
                let reason = result.error.map_or("cancelled".to_owned(), |e| e.message);
                report.failed.push((PathBuf::from(&file.path), reason));
            }
            None => report
                .failed
                .push((PathBuf::from(&file.path), "has no result".to_owned())),
        }
    }
    report
        .done
        .sort_by(|a, b| b.1.size.cmp(&a.1.size).then_with(|| a.0.cmp(&b.0)));
    Ok(report)
}

/// The output file for digests. It is created first, so that a bad path is reported before the work starts.
pub struct List(PathBuf, File);

impl List {
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path)
            .map_err(|e| format!("the list {} can't be written: {e}", path.display()))?;
        Ok(Self(path.to_owned(), file))
    }
}

impl Report {
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty()
    }

    pub fn print(&self, folder: &Path, db: &Path) {
        let bytes: u64 = self.done.iter().map(|(_, digest)| digest.size).sum();
        println!(
            "Files: {}, {}",
            HumanCount(self.done.len() as u64),
            DecimalBytes(bytes)
        );
        if !self.done.is_empty() {
            println!("The largest:");
        }
        for (path, digest) in self.done.iter().take(10) {
            let short = Path::new(path)
                .strip_prefix(folder)
                .unwrap_or(Path::new(path));
            let size = DecimalBytes(digest.size).to_string();
            println!("{size:>12}  {}  {}", digest.sha256, printable(short));
        }
        if !self.failed.is_empty() {
            println!("Not read: {}", self.failed.len());
        }
        for (path, reason) in &self.failed {
            println!("  {}: {reason}", printable(path));
        }
        println!("Every result is in {}: sqlite3 opens it.", db.display());
    }

    /// Writes the format of `sha256sum`: a name with a backslash or a line break is escaped, and its line is marked.
    pub fn write_digests(&self, List(path, file): List) -> Result<()> {
        let write = || {
            let mut file = BufWriter::new(file);
            for (path, digest) in &self.done {
                let escaped = path
                    .replace('\\', "\\\\")
                    .replace('\n', "\\n")
                    .replace('\r', "\\r");
                let mark = if escaped == *path { "" } else { "\\" };
                writeln!(file, "{mark}{}  {escaped}", digest.sha256)?;
            }
            file.flush()
        };
        write().map_err(|e: io::Error| {
            format!("the list {} can't be written: {e}", path.display()).into()
        })
    }
}

/// Escapes control characters, because a terminal would interpret them.
fn printable(path: &Path) -> String {
    let text = path.to_string_lossy();
    let clean = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(clean).collect()
}
