//! What is on the disk at a point of the record, and what may be.

use std::path::Path;

use super::record::{Entry, Sync};
use super::tree::{Step, Tree};

/// A disk cuts writes at multiples of this.
const SECTOR: usize = 512;

/// The disk at a point of the record.
pub(super) struct Cut {
    durable: Tree,
    /// Steps that are not durable, with their numbers in the record.
    pending: Vec<(usize, Step)>,
}

impl Cut {
    /// Returns the disk before the record, with an empty folder.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            durable: Tree::new(folder),
            pending: Vec::new(),
        }
    }

    /// Moves to the point after the entry with this number.
    pub(super) fn pass(&mut self, number: usize, entry: &Entry) {
        match entry {
            Entry::Step(step) => self.pending.push((number, step.clone())),
            Entry::Synced { what, before } => {
                let durable = &mut self.durable;
                self.pending.retain(|(number, step)| {
                    let is_flushed = number < before && is_covered(step, what);
                    // What is in a folder that is not durable yet becomes durable with the folder.
                    !is_flushed || durable.apply(step).is_err()
                });
            }
            Entry::History(_) => {}
        }
    }

    /// Returns what a power cut could leave: each step that is not durable is there with this chance, and a write perhaps
    /// only in part.
    pub(super) fn image(&self, chance: f64, random: &mut fastrand::Rng) -> Tree {
        let mut tree = self.durable.clone();
        for (_, step) in &self.pending {
            if random.f64() >= chance {
                continue;
            }
            let torn = match step {
                Step::Write(file, at, bytes) if chance < 1.0 && random.bool() => {
                    torn(*at as usize, bytes, random).map(|(from, to)| {
                        Step::Write(
                            *file,
                            (*at as usize + from) as u64,
                            bytes[from..to].to_vec(),
                        )
                    })
                }
                _ => None,
            };
            // What the step builds on may be missing.
            let _ = tree.apply(torn.as_ref().unwrap_or(step));
        }
        tree
    }
}

/// Returns the part of a write that reached the disk: it begins or ends at a sector. A write within one sector is never torn.
fn torn(at: usize, bytes: &[u8], random: &mut fastrand::Rng) -> Option<(usize, usize)> {
    let first = SECTOR - at % SECTOR;
    let borders: Vec<usize> = (first..bytes.len()).step_by(SECTOR).collect();
    let border = random.choice(&borders).copied()?;
    Some(match random.bool() {
        true => (0, border),
        false => (border, bytes.len()),
    })
}

/// Whether a sync makes a step durable.
fn is_covered(step: &Step, synced: &Sync) -> bool {
    let is_in = |path: &Path, folder: &Path| path.parent() == Some(folder);
    match (synced, step) {
        (Sync::All, _) => true,
        (
            Sync::File(synced),
            Step::Create(_, file) | Step::Write(file, ..) | Step::Resize(file, _),
        ) => synced == file,
        (
            Sync::Folder(folder),
            Step::Create(path, _) | Step::MakeFolder(path) | Step::Remove(path),
        ) => is_in(path, folder),
        (Sync::Folder(folder), Step::Rename(from, to)) => is_in(from, folder) || is_in(to, folder),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(entries: &[Entry]) -> Cut {
        let mut cut = Cut::new(Path::new("/f"));
        for (number, entry) in entries.iter().enumerate() {
            cut.pass(number, entry);
        }
        cut
    }

    fn create() -> Entry {
        Entry::Step(Step::Create("/f/a".into(), 1))
    }

    fn write(byte: u8) -> Entry {
        Entry::Step(Step::Write(1, 0, vec![byte; 2_000]))
    }

    #[test]
    fn what_was_synced_is_in_every_image_and_the_rest_in_some() {
        let synced = Entry::Synced {
            what: Sync::File(1),
            before: 2,
        };
        // The second write returned while the sync was under way.
        let cut = cut(&[create(), write(1), write(2), synced]);
        let mut random = fastrand::Rng::with_seed(1);
        let mut content = |chance| {
            let tree = cut.image(chance, &mut random);
            let folder = tempfile::tempdir().unwrap();
            tree.write_to(Path::new("/f"), &folder.path().join("image"))
                .unwrap();
            std::fs::read(folder.path().join("image/a")).unwrap()
        };
        assert_eq!(content(0.0), [1; 2_000]);
        assert_eq!(content(1.0), [2; 2_000]);
        for _ in 0..100 {
            let bytes = content(0.5);
            let changes = bytes
                .windows(2)
                .enumerate()
                .filter(|(_, pair)| pair[0] != pair[1]);
            let borders: Vec<_> = changes.map(|(index, _)| (index + 1) % SECTOR).collect();
            assert!(borders.is_empty() || borders == [0], "{borders:?}");
        }
    }

    #[test]
    fn a_name_is_durable_with_its_folder() {
        let rename = Entry::Step(Step::Rename("/f/a".into(), "/f/b".into()));
        let synced = |what| Entry::Synced { what, before: 3 };
        let mut random = fastrand::Rng::with_seed(1);
        for (what, name) in [
            (Sync::File(1), "/f/a"),
            (Sync::Folder("/f".into()), "/f/b"),
            (Sync::All, "/f/b"),
        ] {
            let cut = cut(&[create(), write(1), rename.clone(), synced(what)]);
            assert!(cut.image(0.0, &mut random).has(Path::new(name)), "{name}");
        }
    }
}
