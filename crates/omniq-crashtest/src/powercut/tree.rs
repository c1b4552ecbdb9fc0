//! Files and folders in memory, and the steps that change them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The number of a file, whatever its name is.
pub(super) type FileNumber = u64;

/// One change of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Create(PathBuf, FileNumber),
    MakeFolder(PathBuf),
    Rename(PathBuf, PathBuf),
    /// Removes a file or an empty folder.
    Remove(PathBuf),
    Write(FileNumber, u64, Vec<u8>),
    Resize(FileNumber, u64),
}

/// Files and folders.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    /// A path without a number is a folder.
    names: BTreeMap<PathBuf, Option<FileNumber>>,
    contents: HashMap<FileNumber, Vec<u8>>,
}

/// A step that needs a name that is not there, or that would replace one.
#[derive(Debug)]
pub(super) struct NotPossible;

impl Tree {
    /// Returns an empty folder.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            names: BTreeMap::from([(folder.to_owned(), None)]),
            contents: HashMap::new(),
        }
    }

    /// Returns the file of this name.
    pub(super) fn file(&self, path: &Path) -> Option<FileNumber> {
        *self.names.get(path)?
    }

    pub(super) fn has(&self, path: &Path) -> bool {
        self.names.contains_key(path)
    }

    pub(super) fn len(&self, file: FileNumber) -> u64 {
        self.contents
            .get(&file)
            .map_or(0, |bytes| bytes.len() as u64)
    }

    pub(super) fn apply(&mut self, step: &Step) -> Result<(), NotPossible> {
        match step {
            Step::Create(path, file) => self.enter(path, Some(*file)),
            Step::MakeFolder(path) => self.enter(path, None),
            Step::Rename(from, to) => self.rename(from, to),
            Step::Remove(path) => {
                let is_empty = self.at_and_below(path).nth(1).is_none();
                match is_empty && self.names.remove(path).is_some() {
                    true => Ok(()),
                    false => Err(NotPossible),
                }
            }
            Step::Write(file, at, bytes) => {
                let content = self.contents.entry(*file).or_default();
                let at = *at as usize;
                let end = at + bytes.len();
                content.resize(content.len().max(end), 0);
                content[at..end].copy_from_slice(bytes);
                Ok(())
            }
            Step::Resize(file, len) => {
                self.contents
                    .entry(*file)
                    .or_default()
                    .resize(*len as usize, 0);
                Ok(())
            }
        }
    }

    fn enter(&mut self, path: &Path, file: Option<FileNumber>) -> Result<(), NotPossible> {
        let is_folder = |parent: &Path| self.names.get(parent) == Some(&None);
        if self.has(path) || !path.parent().is_some_and(is_folder) {
            return Err(NotPossible);
        }
        self.names.insert(path.to_owned(), file);
        Ok(())
    }

    /// Returns a path, if there is such a file or folder, and all paths in it.
    fn at_and_below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a PathBuf> {
        // Paths are sorted by their parts, so that those in a folder follow it.
        let bounds = (Bound::Included(path), Bound::Unbounded);
        let from = self.names.range::<Path, _>(bounds);
        from.map(|(path, _)| path)
            .take_while(move |other| other.starts_with(path))
    }

    /// Renames a file, or a folder with all that is in it. A file that had the new name is replaced.
    fn rename(&mut self, from: &Path, to: &Path) -> Result<(), NotPossible> {
        let is_folder = |parent: &Path| self.names.get(parent) == Some(&None);
        if !self.has(from) || !to.parent().is_some_and(is_folder) {
            return Err(NotPossible);
        }
        let moved: Vec<PathBuf> = self.at_and_below(from).cloned().collect();
        for path in moved {
            let file = self.names.remove(&path).flatten();
            let rest = path.strip_prefix(from).unwrap_or(Path::new(""));
            let path = match rest.as_os_str().is_empty() {
                true => to.to_owned(),
                false => to.join(rest),
            };
            self.names.insert(path, file);
        }
        Ok(())
    }

    /// Writes everything below `folder` into another folder, which must not exist.
    pub(super) fn write_to(&self, folder: &Path, other: &Path) -> io::Result<()> {
        // The names are sorted, so that a folder comes before what is in it.
        for (path, file) in &self.names {
            let rest = path.strip_prefix(folder).map_err(io::Error::other)?;
            match file {
                None => fs::create_dir(other.join(rest))?,
                Some(file) => {
                    let content = self.contents.get(file).map_or(&[][..], Vec::as_slice);
                    fs::write(other.join(rest), content)?;
                }
            }
        }
        Ok(())
    }
}
