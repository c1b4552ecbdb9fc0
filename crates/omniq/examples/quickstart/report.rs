//! Tells what the database holds.

use std::io::Write as _;
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

impl Report {
    pub fn print(&self, folder: &Path, db: &Path) {
        let bytes: u64 = self.done.iter().map(|(_, digest)| digest.size).sum();
        println!(
            "{} files, {}",
            HumanCount(self.done.len() as u64),
            DecimalBytes(bytes)
        );
        println!("The largest:");
        for (path, digest) in self.done.iter().take(10) {
            let short = Path::new(path)
                .strip_prefix(folder)
                .unwrap_or(Path::new(path));
            let size = DecimalBytes(digest.size).to_string();
            println!("{size:>12}  {}  {}", digest.sha256, short.display());
        }
        if !self.failed.is_empty() {
            println!("Not read: {}", self.failed.len());
            for (path, reason) in &self.failed {
                println!("  {}: {reason}", path.display());
            }
        }
        println!("Every result is in {}: sqlite3 opens it.", db.display());
    }

    /// As `sha256sum` writes them: a name with a backslash or a line break is escaped and marked.
    pub fn write_digests(&self, path: &Path) -> Result<()> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        for (path, digest) in &self.done {
            let escaped = path
                .replace('\\', "\\\\")
                .replace('\n', "\\n")
                .replace('\r', "\\r");
            let mark = if escaped == *path { "" } else { "\\" };
            writeln!(file, "{mark}{}  {escaped}", digest.sha256)?;
        }
        file.flush()?;
        Ok(())
    }
}
