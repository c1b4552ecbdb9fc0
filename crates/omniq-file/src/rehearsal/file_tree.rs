//! The folders and files of the disk in memory, and the operations that change them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FileTree {
    pub(crate) folders: BTreeSet<PathBuf>,
    pub(crate) files: BTreeMap<PathBuf, Arc<Vec<u8>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DiskOp {
    CreateDir(PathBuf),
    RemoveDir(PathBuf),
    Create(PathBuf),
    Write(PathBuf, u64, Vec<u8>),
    Truncate(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    Sync(PathBuf),
    SyncAll,
    /// Not an operation: the callers of a batch were answered.
    Answered,
}

impl FileTree {
    pub(crate) fn apply(&mut self, op: &DiskOp) -> io::Result<()> {
        match op {
            DiskOp::CreateDir(path) => {
                self.has_parent(path)?;
                if self.files.contains_key(path) || !self.folders.insert(path.clone()) {
                    return Err(ErrorKind::AlreadyExists.into());
                }
            }
            DiskOp::RemoveDir(path) => {
                if self.children(path).next().is_some() {
                    return Err(ErrorKind::DirectoryNotEmpty.into());
                }
                or_not_found(self.folders.remove(path).then_some(()))?;
            }
            DiskOp::Create(path) => {
                self.has_parent(path)?;
                self.files.entry(path.clone()).or_default();
            }
            DiskOp::Write(path, at, bytes) => {
                let file = Arc::make_mut(or_not_found(self.files.get_mut(path))?);
                let end = *at as usize + bytes.len();
                file.resize(file.len().max(end), 0);
                file[*at as usize..end].copy_from_slice(bytes);
            }
            DiskOp::Truncate(path, len) => {
                Arc::make_mut(or_not_found(self.files.get_mut(path))?).resize(*len as usize, 0);
            }
            DiskOp::Rename(from, to) => {
                self.has_parent(to)?;
                if self.folders.contains(from) {
                    self.rename_folder(from, to);
                    return Ok(());
                }
                let file = or_not_found(self.files.remove(from))?;
                self.files.insert(to.clone(), file);
            }
            DiskOp::Remove(path) => drop(or_not_found(self.files.remove(path))?),
            DiskOp::Sync(_) | DiskOp::SyncAll | DiskOp::Answered => {}
        }
        Ok(())
    }

    /// Returns what is directly in a folder.
    pub(crate) fn children<'a>(&'a self, folder: &'a Path) -> impl Iterator<Item = &'a PathBuf> {
        let is_child = move |path: &&PathBuf| path.parent() == Some(folder);
        self.folders
            .iter()
            .chain(self.files.keys())
            .filter(is_child)
    }

    fn rename_folder(&mut self, from: &Path, to: &Path) {
        let moved = |path: &PathBuf| match path.strip_prefix(from) {
            Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
            Ok(rest) => to.join(rest),
            Err(_) => path.clone(),
        };
        self.folders = self.folders.iter().map(moved).collect();
        let files = std::mem::take(&mut self.files);
        self.files = files
            .into_iter()
            .map(|(path, file)| (moved(&path), file))
            .collect();
    }

    fn has_parent(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent();
        or_not_found(parent.and_then(|parent| self.folders.get(parent))).map(drop)
    }
}

pub(crate) fn or_not_found<T>(item: Option<T>) -> io::Result<T> {
    item.ok_or_else(|| ErrorKind::NotFound.into())
}
