//! A disk in memory. It records every operation, and can make operations fail.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use omniq_writer::ipc::BootId;

use crate::disk::{DirEntry, Disk, Kind, OpenFile};
use crate::rehearsal::file_tree::{DiskOp, FileTree, or_not_found};

#[derive(Default)]
pub(crate) struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    tree: FileTree,
    ops: Vec<DiskOp>,
    boot: u32,
    /// The number of operations that succeed, the number of operations that fail after them, and the error.
    fault: Option<(usize, usize, ErrorKind)>,
    no_locks: bool,
}

struct MemoryFile {
    state: Arc<Mutex<State>>,
    path: PathBuf,
}

impl MemoryDisk {
    pub(crate) fn new() -> Arc<Self> {
        let mut tree = FileTree::default();
        tree.folders.insert("/base".into());
        Self::of(tree, 1)
    }

    /// Returns a disk with these files, for the `boot`th boot of the machine.
    pub(crate) fn of(tree: FileTree, boot: u32) -> Arc<Self> {
        let disk = Self::default();
        (disk.lock().tree, disk.lock().boot) = (tree, boot);
        Arc::new(disk)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn ops(&self) -> Vec<DiskOp> {
        self.lock().ops.clone()
    }

    /// Records that the callers of a batch were answered.
    pub(crate) fn record_answer(&self) {
        self.lock().ops.push(DiskOp::Answered);
    }

    /// After this many operations, makes this many fail.
    pub(crate) fn fail(&self, after: usize, times: usize, error: ErrorKind) {
        self.lock().fault = Some((after, times, error));
    }

    pub(crate) fn disable_locks(&self) {
        self.lock().no_locks = true;
    }

    pub(crate) fn stop_failing(&self) {
        self.lock().fault = None;
    }

    /// Whether an operation has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.lock().fault.is_none_or(|(after, _, _)| after == 0)
    }
}

impl State {
    fn perform(&mut self, op: DiskOp) -> io::Result<()> {
        if let Some((after, times, error)) = &mut self.fault {
            if *after > 0 {
                *after -= 1;
            } else if *times > 0 {
                *times -= 1;
                return Err((*error).into());
            }
        }
        self.tree.apply(&op)?;
        self.ops.push(op);
        Ok(())
    }
}

impl Disk for MemoryDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(or_not_found(self.lock().tree.files.get(path))?.to_vec())
    }

    fn write(&self, path: &Path, bytes: &[u8], create: bool) -> io::Result<()> {
        let mut state = self.lock();
        if create && !state.tree.files.contains_key(path) {
            state.perform(DiskOp::Create(path.to_owned()))?;
        }
        let before = or_not_found(state.tree.files.get(path))?.len();
        state.perform(DiskOp::Write(path.to_owned(), 0, bytes.to_vec()))?;
        if before > bytes.len() {
            state.perform(DiskOp::Truncate(path.to_owned(), bytes.len() as u64))?;
        }
        Ok(())
    }

    fn create_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.kind(path)?.is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.write(path, bytes, true)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.lock()
            .perform(DiskOp::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.lock().perform(DiskOp::Remove(path.to_owned()))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.lock().perform(DiskOp::CreateDir(path.to_owned()))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.lock().perform(DiskOp::RemoveDir(path.to_owned()))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.lock();
        or_not_found(state.tree.folders.get(path))?;
        let entry = |child: &PathBuf| DirEntry {
            name: child.file_name().unwrap().to_owned(),
            kind: match state.tree.folders.contains(child) {
                true => Kind::Folder,
                false => Kind::File,
            },
        };
        Ok(state.tree.children(path).map(entry).collect())
    }

    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        let state = self.lock();
        let folder = state.tree.folders.contains(path).then_some(Kind::Folder);
        let file = state.tree.files.contains_key(path).then_some(Kind::File);
        Ok(folder.or(file))
    }

    fn meta(&self, path: &Path) -> io::Result<(SystemTime, u64)> {
        let state = self.lock();
        let len = state
            .tree
            .files
            .get(path)
            .map_or(0, |file| file.len() as u64);
        // The modification time of a folder changes with the number of its files.
        let age = Duration::from_secs(state.tree.children(path).count() as u64);
        Ok((SystemTime::UNIX_EPOCH + age, len))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        if self.kind(path)?.is_none() {
            self.lock().perform(DiskOp::Create(path.to_owned()))?;
        }
        Ok(Box::new(MemoryFile {
            state: self.state.clone(),
            path: path.to_owned(),
        }))
    }

    fn sync_all(&self, _: &Path) -> io::Result<()> {
        self.lock().perform(DiskOp::SyncAll)
    }

    fn boot(&self) -> BootId {
        BootId::from_text(self.lock().boot.to_string())
    }
}

impl OpenFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.state.lock().unwrap();
        let file = or_not_found(state.tree.files.get(&self.path))?;
        let rest = file.get(at as usize..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let op = DiskOp::Write(self.path.clone(), at, bytes.to_vec());
        self.state.lock().unwrap().perform(op)
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.state.lock().unwrap();
        Ok(or_not_found(state.tree.files.get(&self.path))?.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        let op = DiskOp::Sync(self.path.clone());
        self.state.lock().unwrap().perform(op)
    }

    fn try_lock(&self) -> io::Result<bool> {
        match self.state.lock().unwrap().no_locks {
            true => Err(ErrorKind::Unsupported.into()),
            false => Ok(true),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }

    fn is_at(&self, _: &Path) -> bool {
        true
    }
}
