//! A disk in memory: every step is written down, and the next one may fail.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use crate::disk::{DirEntry, Disk, Kind, OpenFile};
use crate::rehearsal::file_tree::{Step, Tree, found};

#[derive(Default)]
pub(crate) struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    tree: Tree,
    steps: Vec<Step>,
    boot: u32,
    /// So many steps go well, and then so many fail like this.
    fault: Option<(usize, usize, ErrorKind)>,
    no_locks: bool,
}

struct MemoryFile {
    state: Arc<Mutex<State>>,
    path: PathBuf,
}

impl MemoryDisk {
    pub(crate) fn new() -> Arc<Self> {
        let mut tree = Tree::default();
        tree.folders.insert("/base".into());
        Self::of(tree, 1)
    }

    /// What a machine finds that was started for the `boot`th time.
    pub(crate) fn of(tree: Tree, boot: u32) -> Arc<Self> {
        let disk = Self::default();
        (disk.lock().tree, disk.lock().boot) = (tree, boot);
        Arc::new(disk)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.lock().steps.clone()
    }

    pub(crate) fn answered(&self) {
        self.lock().steps.push(Step::Answered);
    }

    pub(crate) fn will_fail(&self, after: usize, times: usize, how: ErrorKind) {
        self.lock().fault = Some((after, times, how));
    }

    pub(crate) fn has_no_locks(&self) {
        self.lock().no_locks = true;
    }

    pub(crate) fn is_mended(&self) {
        self.lock().fault = None;
    }

    /// Whether the fault has come.
    pub(crate) fn has_failed(&self) -> bool {
        self.lock().fault.is_none_or(|(after, _, _)| after == 0)
    }
}

impl State {
    fn step(&mut self, step: Step) -> io::Result<()> {
        if let Some((after, times, how)) = &mut self.fault {
            if *after > 0 {
                *after -= 1;
            } else if *times > 0 {
                *times -= 1;
                return Err((*how).into());
            }
        }
        self.tree.apply(&step)?;
        self.steps.push(step);
        Ok(())
    }
}

impl Disk for MemoryDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(found(self.lock().tree.files.get(path))?.to_vec())
    }

    fn write(&self, path: &Path, bytes: &[u8], make: bool) -> io::Result<()> {
        let mut state = self.lock();
        if make && !state.tree.files.contains_key(path) {
            state.step(Step::Make(path.to_owned()))?;
        }
        let before = found(state.tree.files.get(path))?.len();
        state.step(Step::Write(path.to_owned(), 0, bytes.to_vec()))?;
        if before > bytes.len() {
            state.step(Step::Cut(path.to_owned(), bytes.len() as u64))?;
        }
        Ok(())
    }

    fn make(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.kind(path)?.is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.write(path, bytes, true)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.lock()
            .step(Step::Rename(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.lock().step(Step::Remove(path.to_owned()))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.lock().step(Step::MakeDir(path.to_owned()))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.lock().step(Step::RemoveDir(path.to_owned()))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.lock();
        found(state.tree.folders.get(path))?;
        let entry = |inside: &PathBuf| DirEntry {
            name: inside.file_name().unwrap().to_owned(),
            kind: match state.tree.folders.contains(inside) {
                true => Kind::Folder,
                false => Kind::File,
            },
        };
        Ok(state.tree.below(path).map(entry).collect())
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
        // A folder that was written since has another time.
        let writes = Duration::from_secs(state.tree.below(path).count() as u64);
        Ok((SystemTime::UNIX_EPOCH + writes, len))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        if self.kind(path)?.is_none() {
            self.lock().step(Step::Make(path.to_owned()))?;
        }
        Ok(Box::new(MemoryFile {
            state: self.state.clone(),
            path: path.to_owned(),
        }))
    }

    fn sync_all(&self, _: &Path) -> io::Result<()> {
        self.lock().step(Step::SyncAll)
    }

    fn boot(&self) -> Option<String> {
        Some(self.lock().boot.to_string())
    }
}

impl OpenFile for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.state.lock().unwrap();
        let file = found(state.tree.files.get(&self.path))?;
        let rest = file.get(at as usize..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let step = Step::Write(self.path.clone(), at, bytes.to_vec());
        self.state.lock().unwrap().step(step)
    }

    fn len(&self) -> io::Result<u64> {
        let state = self.state.lock().unwrap();
        Ok(found(state.tree.files.get(&self.path))?.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        let step = Step::Sync(self.path.clone());
        self.state.lock().unwrap().step(step)
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

    fn is_in_place(&self, _: &Path) -> bool {
        true
    }
}
