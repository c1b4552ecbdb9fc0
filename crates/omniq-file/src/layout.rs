//! Whether a folder is ours, or can become so.

use std::io;
use std::path::Path;

use omniq_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use crate::disk::{Disk, Kind, if_exists};
use crate::errors::explain;
use crate::paths::{FOLDERS, LAYOUT, Paths};

/// What `layout.json` says.
#[derive(Debug, Serialize, Deserialize)]
struct Layout {
    layout: u32,
    /// What tells the folder from every other.
    id: String,
}

/// The base folder: it may be behind a link.
pub(crate) fn make_base(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| {
        let text = format!("{} can't be made or is no folder: {e}", folder.display());
        Error::new(ErrorKind::Storage, text).with_source(e)
    })
}

/// Makes what is missing of the layout, under the lock; says what tells the folder from every other.
pub(crate) fn prepare(disk: &dyn Disk, paths: &Paths) -> Result<String> {
    let id = match if_exists(disk.read(&paths.layout())).map_err(unusable(paths))? {
        Some(text) => read(paths, &text)?,
        None => write(disk, paths).map_err(unusable(paths))?,
    };
    for folder in FOLDERS {
        make(disk, paths, folder)?;
    }
    Ok(id)
}

/// A folder that is there, or is made.
pub(crate) fn make(disk: &dyn Disk, paths: &Paths, folder: &str) -> Result<()> {
    let path = paths.at(folder);
    let found = disk.kind(&path).map_err(unusable(paths))?;
    match found {
        Some(Kind::Folder) => Ok(()),
        Some(_) => {
            let text = format!(
                "{} is a link or a file where OmniQ has a folder of its own: put that folder in its place",
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
    |error| explain(paths.base(), "it can't be opened", &error)
}

fn read(paths: &Paths, text: &[u8]) -> Result<String> {
    let file = paths.layout();
    #[derive(Deserialize)]
    struct Version {
        layout: u32,
    }
    let wrong = |e: serde_json::Error| {
        let text = format!(
            "{} can't be read ({e}): it says which layout the folder has. Give the path of a folder of \
             OmniQ's or of a new one",
            file.display()
        );
        Error::new(ErrorKind::Storage, text).with_source(e)
    };
    let version: Version = serde_json::from_slice(text).map_err(wrong)?;
    if version.layout != LAYOUT {
        let text = format!(
            "{} says layout {}, and this OmniQ knows layout {LAYOUT}: a newer OmniQ wrote it, so use that one",
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
    // Under another name first, so that it is never there in part.
    let draft = paths.at("layout.tmp");
    disk.write(&draft, &text, true)?;
    disk.open(&draft)?.sync()?;
    disk.rename(&draft, &paths.layout())?;
    Ok(layout.id)
}
