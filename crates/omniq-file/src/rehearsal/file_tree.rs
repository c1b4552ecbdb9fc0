//! Folders and files in memory, and the steps that change them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) folders: BTreeSet<PathBuf>,
    pub(crate) files: BTreeMap<PathBuf, Arc<Vec<u8>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    MakeDir(PathBuf),
    RemoveDir(PathBuf),
    Make(PathBuf),
    Write(PathBuf, u64, Vec<u8>),
    Cut(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    Sync(PathBuf),
    SyncAll,
    /// A batch was answered.
    Answered,
}

impl Tree {
    pub(crate) fn apply(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::MakeDir(path) => {
                self.has_parent(path)?;
                if self.files.contains_key(path) || !self.folders.insert(path.clone()) {
                    return Err(ErrorKind::AlreadyExists.into());
                }
            }
            Step::RemoveDir(path) => {
                if self.below(path).next().is_some() {
                    return Err(ErrorKind::DirectoryNotEmpty.into());
                }
                found(self.folders.remove(path).then_some(()))?;
            }
            Step::Make(path) => {
                self.has_parent(path)?;
                self.files.entry(path.clone()).or_default();
            }
            Step::Write(path, at, bytes) => {
                let file = Arc::make_mut(found(self.files.get_mut(path))?);
                let end = *at as usize + bytes.len();
                file.resize(file.len().max(end), 0);
                file[*at as usize..end].copy_from_slice(bytes);
            }
            Step::Cut(path, len) => {
                Arc::make_mut(found(self.files.get_mut(path))?).resize(*len as usize, 0);
            }
            Step::Rename(from, to) => {
                self.has_parent(to)?;
                if self.folders.contains(from) {
                    self.rename_folder(from, to);
                    return Ok(());
                }
                let file = found(self.files.remove(from))?;
                self.files.insert(to.clone(), file);
            }
            Step::Remove(path) => drop(found(self.files.remove(path))?),
            Step::Sync(_) | Step::SyncAll | Step::Answered => {}
        }
        Ok(())
    }

    pub(crate) fn below<'a>(&'a self, folder: &'a Path) -> impl Iterator<Item = &'a PathBuf> {
        let inside = move |path: &&PathBuf| path.parent() == Some(folder);
        self.folders.iter().chain(self.files.keys()).filter(inside)
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
        found(parent.and_then(|parent| self.folders.get(parent))).map(drop)
    }
}

pub(crate) fn found<T>(found: Option<T>) -> io::Result<T> {
    found.ok_or_else(|| ErrorKind::NotFound.into())
}
