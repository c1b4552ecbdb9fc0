//! Applies the steps of a record to the files. Steps may be applied again, in order, with the same result.

use std::io::{self, ErrorKind};
use std::path::Path;

use omniq_core::TaskId;

use crate::disk::{DirEntry, Disk, Kind, if_exists};
use crate::file_name::FileName;
use crate::index::IndexFiles;
use crate::location::{ChunkName, Location, Shelf};
use crate::op::Op;
use crate::paths::Paths;

/// Applies steps to the files on a disk.
pub(crate) struct Apply<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) paths: &'a mut Paths,
    pub(crate) files: &'a mut IndexFiles,
}

impl Apply<'_> {
    pub(crate) fn all(&mut self, ops: &[Op]) -> io::Result<()> {
        for op in ops {
            self.one(op)?;
        }
        self.files.write(self.disk, self.paths)
    }

    fn one(&mut self, op: &Op) -> io::Result<()> {
        match op {
            Op::AddLane { number, lane } => {
                lane.register(*number, self.paths);
                self.write(&self.paths.lane(*number).join("lane.json"), &lane.to_json())
            }
            Op::Put {
                id,
                from,
                to,
                entry,
                body,
            } => {
                self.put(from.as_ref(), to.as_ref(), body.as_deref())?;
                self.files.put(*id, *entry);
                Ok(())
            }
            Op::SplitChunk { shelf, chunk, into } => self.split(*shelf, *chunk, *into),
            Op::RemoveChunk { shelf, chunk } => {
                self.remove_chunk(&self.paths.chunk(*shelf, *chunk))
            }
            Op::UniqueKey { name, key, holder } => {
                self.set_holder(&self.paths.key(name, key), *holder)
            }
            Op::SeriesMember { series, holder } => {
                self.set_holder(&self.paths.series(*series), *holder)
            }
            Op::RemoveSegment(number) => self.files.remove(self.disk, self.paths, *number),
            Op::Quarantine { file, name, reason } => self.quarantine(file, name, reason),
            Op::RemoveFile { file } => if_exists(self.disk.remove(&self.paths.at(file))).map(drop),
        }
    }

    fn put(
        &self,
        from: Option<&Location>,
        to: Option<&Location>,
        body: Option<&[u8]>,
    ) -> io::Result<()> {
        let file = |location: &Location| self.paths.file(location);
        match (from.map(file), to.map(file), body) {
            (Some(from), Some(to), Some(body)) if from != to => {
                match self.disk.write(&from, body, false) {
                    Ok(()) => self.rename(&from, &to),
                    Err(e) if e.kind() == ErrorKind::NotFound => self.write(&to, body),
                    Err(e) => {
                        self.make_way(&from, e)?;
                        self.write(&to, body)
                    }
                }
            }
            (_, Some(to), Some(body)) => self.write(&to, body),
            (Some(from), Some(to), None) if from != to => self.rename(&from, &to),
            (Some(from), None, _) => if_exists(self.disk.remove(&from)).map(drop),
            _ => Ok(()),
        }
    }

    /// Quarantines a link or a folder that is where a file of ours belongs. Returns the error if that is not the cause.
    fn make_way(&self, path: &Path, error: io::Error) -> io::Result<()> {
        if matches!(self.disk.kind(path)?, Some(Kind::File) | None) {
            return Err(error);
        }
        let reason = "it is not a regular file, and it is where a file of OmniQ belongs";
        tracing::error!(path = %path.display(), reason, "it is moved to queue/quarantine");
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let quarantined = format!("queue/quarantine/{:016x}-{name}", fastrand::u64(..));
        let text = format!("{}: {reason}\n", path.display());
        let reason_file = self.paths.at(&format!("{quarantined}.reason.txt"));
        self.disk.write(&reason_file, text.as_bytes(), true)?;
        self.disk.rename(path, &self.paths.at(&quarantined))
    }

    /// Writes a file, and creates its folder if it is missing.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match self.disk.write(path, bytes, true) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == ErrorKind::NotFound => self.ensure_folder(path.parent())?,
            Err(e) => self.make_way(path, e)?,
        }
        self.disk.write(path, bytes, true)
    }

    /// Renames a file. One that is missing was renamed when the step was applied before.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.disk.rename(from, to) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == ErrorKind::NotFound => self.ensure_folder(to.parent())?,
            Err(e) => self.make_way(to, e)?,
        }
        if_exists(self.disk.rename(from, to)).map(drop)
    }

    fn ensure_folder(&self, folder: Option<&Path>) -> io::Result<()> {
        let Some(folder) = folder else { return Ok(()) };
        match self.disk.create_dir(folder) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(e) if e.kind() == ErrorKind::NotFound && folder != self.paths.base() => {
                self.ensure_folder(folder.parent())?;
                self.disk.create_dir(folder)
            }
            created => created,
        }
    }

    fn split(&self, shelf: Shelf, chunk: ChunkName, into: ChunkName) -> io::Result<()> {
        let (from, to) = (
            self.paths.chunk(shelf, chunk),
            self.paths.chunk(shelf, into),
        );
        self.ensure_folder(Some(&to))?;
        let belongs_in_new = |found: &DirEntry| {
            let name = found.text().and_then(FileName::of_file);
            name.is_some_and(|name| name >= into.lowest)
        };
        let found = if_exists(self.disk.list(&from))?.unwrap_or_default();
        for found in found.iter().filter(|found| belongs_in_new(found)) {
            self.disk
                .rename(&from.join(&found.name), &to.join(&found.name))?;
        }
        Ok(())
    }

    /// Removes an empty chunk. A chunk with unknown files stays.
    fn remove_chunk(&self, folder: &Path) -> io::Result<()> {
        match self.disk.remove_dir(folder) {
            Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
            removed => if_exists(removed).map(drop),
        }
    }

    fn set_holder(&self, path: &Path, holder: Option<TaskId>) -> io::Result<()> {
        match holder {
            Some(id) => self.write(path, format!("{id}\n").as_bytes()),
            None => if_exists(self.disk.remove(path)).map(drop),
        }
    }

    fn quarantine(&self, file: &str, name: &str, reason: &str) -> io::Result<()> {
        let quarantine = self.paths.at("queue/quarantine");
        let text = format!("{reason}\n");
        self.write(
            &quarantine.join(format!("{name}.reason.txt")),
            text.as_bytes(),
        )?;
        let to = quarantine.join(name);
        match self.rename(&self.paths.at(file), &to) {
            // The folder was quarantined when the step was applied before, and earlier steps have created it again.
            Err(_) if self.disk.kind(&to)? == Some(Kind::Folder) => Ok(()),
            moved => moved,
        }
    }
}
