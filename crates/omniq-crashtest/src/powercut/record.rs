//! What system calls mean: steps of the disk, syncs, and events of the history.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::trace::{Reader, Said, Syscall};
use super::tree::{FileNumber, Step, Tree};
use crate::HarnessResult;
use crate::linearize::history::Event;

/// One entry of the record.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// The disk was changed.
    Step(Step),
    /// A sync has returned. It covers the steps before the entry with this number.
    Synced { what: Sync, before: usize },
    /// A process is about to write this line of the history.
    History(Event),
}

/// What is made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sync {
    File(FileNumber),
    Folder(PathBuf),
    All,
}

/// Returns the record of what happened in `folder`, which was empty, and to the file `history`.
///
/// # Errors
///
/// Returns an error if a line of the trace is not understood.
pub(super) fn record(trace: &str, folder: &Path, history: &Path) -> HarnessResult<Vec<Entry>> {
    let mut recorder = Recorder {
        folder,
        history,
        now: Tree::new(folder),
        files: 0,
        positions: HashMap::new(),
        began: HashMap::new(),
        entries: Vec::new(),
    };
    let mut reader = Reader::default();
    for (number, line) in trace.lines().enumerate() {
        let unclear = |error| format!("line {number} of the trace: {error}");
        match reader.read(line, number)? {
            Said::Began(call) => recorder.begin(&call),
            Said::Returned(call) => {
                if call.began == number {
                    recorder.begin(&call);
                }
                let before = recorder.began.remove(&call.began).unwrap_or(0);
                if call.returned >= 0 {
                    recorder.end(&call, before).map_err(unclear)?;
                }
            }
            Said::Other => {}
        }
    }
    Ok(recorder.entries)
}

struct Recorder<'a> {
    folder: &'a Path,
    history: &'a Path,
    /// The files and folders as the processes see them now.
    now: Tree,
    /// The number of files that were created.
    files: FileNumber,
    /// The position of each open descriptor. Two processes have the same file open under the same number only if both
    /// give the offsets of their writes, or hold a lock while it is open.
    positions: HashMap<(String, PathBuf), Position>,
    /// The number of entries when the call on a line began.
    began: HashMap<usize, usize>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
enum Position {
    At(u64),
    End,
}

impl Recorder<'_> {
    /// A line of the history counts as soon as its write begins: what it acknowledges has happened by then.
    fn begin(&mut self, call: &Syscall) {
        if call.name == "write"
            && call
                .descriptor(0)
                .is_some_and(|(_, path)| path == self.history)
            && let Some(bytes) = call.bytes(1)
            && let Ok(event) = serde_json::from_slice(&bytes)
        {
            self.entries.push(Entry::History(event));
        }
        self.began.insert(call.began, self.entries.len());
    }

    fn end(&mut self, call: &Syscall, before: usize) -> Result<(), String> {
        if call.name == "syncfs" {
            self.entries.push(Entry::Synced {
                what: Sync::All,
                before,
            });
            return Ok(());
        }
        if call.paths().all(|path| self.is_left_out(&path)) {
            return Ok(());
        }
        let done = match call.name.as_str() {
            "openat" => self.open(call, call.path(Some(0), 1), 2),
            "open" => self.open(call, call.path(None, 0), 1),
            "write" | "pwrite64" => self.write(call),
            "ftruncate" => self.resize(call, call.number(1)),
            "fallocate" => self.allocate(call),
            "rename" => self.rename(call.path(None, 0), call.path(None, 1)),
            "renameat" | "renameat2" => self.rename(call.path(Some(0), 1), call.path(Some(2), 3)),
            "unlink" | "rmdir" => self.remove(call.path(None, 0)),
            "unlinkat" => self.remove(call.path(Some(0), 1)),
            "mkdir" => self.make_folder(call.path(None, 0)),
            "mkdirat" => self.make_folder(call.path(Some(0), 1)),
            "fsync" | "fdatasync" => self.sync(call, before),
            "lseek" => self.seek(call),
            "close" | "mmap" if is_harmless(call, self) => Some(()),
            _ => None,
        };
        done.ok_or_else(|| {
            let args: Vec<String> = call
                .args
                .iter()
                .map(|a| a.chars().take(300).collect())
                .collect();
            format!("{}({}) is not understood", call.name, args.join(", "))
        })
    }

    /// Whether a path is left out of the images.
    fn is_left_out(&self, path: &Path) -> bool {
        let Ok(inside) = path.strip_prefix(self.folder) else {
            return true;
        };
        inside.iter().any(|name| {
            let name = name.to_string_lossy();
            name.ends_with("-shm") || name.ends_with("-omniq")
        })
    }

    fn step(&mut self, step: Step) -> Option<()> {
        self.now.apply(&step).ok()?;
        self.entries.push(Entry::Step(step));
        Some(())
    }

    /// Returns the file of a descriptor. There is none if the file was removed, or is left out.
    fn file(&self, path: &Path) -> Option<FileNumber> {
        self.now.file(path).filter(|_| !self.is_left_out(path))
    }

    fn open(&mut self, call: &Syscall, path: Option<PathBuf>, flags: usize) -> Option<()> {
        let path = path?;
        if self.is_left_out(&path) {
            return Some(());
        }
        if !self.now.has(&path) {
            if !call.has_flag(flags, "O_CREAT") {
                return None;
            }
            self.files += 1;
            self.step(Step::Create(path.clone(), self.files))?;
        }
        if let Some(file) = self.now.file(&path) {
            if call.has_flag(flags, "O_TRUNC") && self.now.len(file) > 0 {
                self.step(Step::Resize(file, 0))?;
            }
            let position = match call.has_flag(flags, "O_APPEND") {
                true => Position::End,
                false => Position::At(0),
            };
            let descriptor = call.returned.to_string();
            self.positions.insert((descriptor, path), position);
        }
        Some(())
    }

    fn write(&mut self, call: &Syscall) -> Option<()> {
        let Some((descriptor, path)) = call.descriptor(0) else {
            // The file was removed.
            return Some(());
        };
        let Some(file) = self.file(&path) else {
            return self.is_left_out(&path).then_some(());
        };
        let mut bytes = call.bytes(1)?;
        bytes.truncate(call.returned as usize);
        let at = match call.name.as_str() {
            "pwrite64" => call.number(3)?,
            _ => {
                let len = self.now.len(file);
                let position = self.positions.get_mut(&(descriptor.to_owned(), path))?;
                match position {
                    Position::At(at) => {
                        let from = *at;
                        *at += bytes.len() as u64;
                        from
                    }
                    Position::End => len,
                }
            }
        };
        self.step(Step::Write(file, at, bytes))
    }

    fn resize(&mut self, call: &Syscall, len: Option<u64>) -> Option<()> {
        let Some((_, path)) = call.descriptor(0) else {
            return Some(());
        };
        match self.file(&path) {
            Some(file) => self.step(Step::Resize(file, len?)),
            None => self.is_left_out(&path).then_some(()),
        }
    }

    fn allocate(&mut self, call: &Syscall) -> Option<()> {
        let (_, path) = call.descriptor(0)?;
        let end = call.number(2)? + call.number(3)?;
        match self.file(&path) {
            Some(file) if call.args.get(1)? == "0" => {
                let len = self.now.len(file).max(end);
                self.step(Step::Resize(file, len))
            }
            Some(_) => None,
            None => self.is_left_out(&path).then_some(()),
        }
    }

    fn rename(&mut self, from: Option<PathBuf>, to: Option<PathBuf>) -> Option<()> {
        let (from, to) = (from?, to?);
        match (self.is_left_out(&from), self.is_left_out(&to)) {
            (true, true) => Some(()),
            (false, false) => self.step(Step::Rename(from, to)),
            _ => None,
        }
    }

    fn remove(&mut self, path: Option<PathBuf>) -> Option<()> {
        let path = path?;
        match self.is_left_out(&path) {
            true => Some(()),
            false => self.step(Step::Remove(path)),
        }
    }

    fn make_folder(&mut self, path: Option<PathBuf>) -> Option<()> {
        let path = path?;
        match self.is_left_out(&path) {
            true => Some(()),
            false => self.step(Step::MakeFolder(path)),
        }
    }

    fn sync(&mut self, call: &Syscall, before: usize) -> Option<()> {
        let Some((_, path)) = call.descriptor(0) else {
            return Some(());
        };
        let what = match self.now.file(&path) {
            Some(file) => Sync::File(file),
            None if self.now.has(&path) => Sync::Folder(path),
            None => return self.is_left_out(&path).then_some(()),
        };
        self.entries.push(Entry::Synced { what, before });
        Some(())
    }

    fn seek(&mut self, call: &Syscall) -> Option<()> {
        let (descriptor, path) = call.descriptor(0)?;
        if let Some(position) = self.positions.get_mut(&(descriptor.to_owned(), path)) {
            *position = Position::At(call.returned as u64);
        }
        Some(())
    }
}

/// Memory that is shared with a file would change it without a system call.
fn is_harmless(call: &Syscall, recorder: &Recorder<'_>) -> bool {
    let is_shared = call.has_flag(3, "MAP_SHARED") && call.has_flag(2, "PROT_WRITE");
    let mapped = call.descriptor(4).map(|(_, path)| path);
    call.name == "close" || !is_shared || mapped.is_none_or(|path| recorder.is_left_out(&path))
}
