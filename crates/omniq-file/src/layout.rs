//! Checks that a folder is ours, and creates what is missing of its layout.

use std::io;
use std::path::Path;
use std::sync::Arc;

use omniq_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::disk::{Disk, Kind, if_exists};
use crate::errors::io_error;
use crate::paths::{FOLDERS, LAYOUT, Paths};

/// The content of `layout.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Layout {
    layout: u32,
    /// A random id, by which processes recognise the folder.
    id: String,
}

/// Creates the base folder if it is missing. It may be a link to a folder.
pub(crate) fn ensure_base(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| {
        let text = format!("{} can't be created or is not a folder", folder.display());
        Error::new(ErrorKind::Storage, text).with_source(e)
    })
}

/// Creates what is missing of the layout, and returns the folder's id. The caller has the lock.
pub(crate) fn prepare(disk: &dyn Disk, paths: &Paths) -> Result<String> {
    let id = match if_exists(disk.read(&paths.layout())).map_err(unusable(paths))? {
        Some(text) => read(paths, &text)?,
        None => write(disk, paths).map_err(unusable(paths))?,
    };
    for folder in FOLDERS {
        ensure_folder(disk, paths, folder)?;
    }
    Ok(id)
}

/// Creates a folder if it is missing.
pub(crate) fn ensure_folder(disk: &dyn Disk, paths: &Paths, folder: &str) -> Result<()> {
    let path = paths.at(folder);
    let found = disk.kind(&path).map_err(unusable(paths))?;
    match found {
        Some(Kind::Folder) => Ok(()),
        Some(_) => {
            let text = format!(
                "{} is a link or a file, but it must be a folder of OmniQ: move the folder back to this path",
                path.display()
            );
            Err(Error::new(ErrorKind::Storage, text))
        }
        None => match disk.create_dir(&path) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(unusable(paths)(e)),
            _ => Ok(()),
        },
    }
}

fn unusable(paths: &Paths) -> impl Fn(io::Error) -> Error + '_ {
    |error| io_error(paths.base(), "it can't be opened", Arc::new(error))
}

fn read(paths: &Paths, text: &[u8]) -> Result<String> {
    let file = paths.layout();
    #[derive(Deserialize)]
    struct Version {
        layout: u32,
    }
    let wrong = |e: serde_json::Error| {
        let text = format!(
            "{} can't be read: it states the layout of the folder. Give the path of a folder of OmniQ, or of a new \
             one",
            file.display()
        );
        Error::new(ErrorKind::Storage, text).with_source(e)
    };
    let version: Version = serde_json::from_slice(text).map_err(wrong)?;
    if version.layout != LAYOUT {
        let text = format!(
            "{} states layout {}, but this version of OmniQ knows layout {LAYOUT}: a newer version wrote the folder, so use \
             that version",
            file.display(),
            version.layout
        );
        return Err(Error::new(ErrorKind::Storage, text));
    }
    let layout: Layout = serde_json::from_slice(text).map_err(wrong)?;
    Ok(layout.id)
}

fn write(disk: &dyn Disk, paths: &Paths) -> io::Result<String> {
    let layout = Layout {
        layout: LAYOUT,
        id: format!("{:032x}", fastrand::u128(..)),
    };
    let mut text = serde_json::to_vec_pretty(&layout)?;
    text.push(b'\n');
    // It is written under another name first, so that the file appears atomically.
    let draft = paths.at("layout.tmp");
    disk.write(&draft, &text, true)?;
    disk.open(&draft)?.sync()?;
    disk.rename(&draft, &paths.layout())?;
    Ok(layout.id)
}
