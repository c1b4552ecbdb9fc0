//! Opens the storage that a URL names.

use std::path::PathBuf;
use std::sync::Arc;

use omniq_core::{Error, ErrorKind, Result, Storage};

use crate::{Backend, Settings};

const KNOWN_FORMS: &str = "sqlite:///relative.db, sqlite:////absolute.db, sqlite::memory:, file:relative/folder, \
                     file:///absolute/folder and memory:";

/// The location that a URL names.
#[derive(Debug, PartialEq, Eq)]
enum Location {
    SqliteFile(PathBuf),
    SqliteMemory,
    Folder(PathBuf),
    Memory,
}

/// Opens the storage that the settings name, for programs that need the storage itself: to share it between several
/// queues, for example, or for transactions of their own.
///
/// # Errors
///
/// Of kind `Settings` if the URL can't be used, or if this program was built without the storage (the text names the
/// cargo feature to add); of kind `Storage` if the storage can't be opened.
pub async fn open_storage(settings: &Settings) -> Result<Arc<dyn Storage>> {
    let location = match settings.url() {
        Some(url) => parse(url)?,
        None => Location::SqliteFile(settings.base_dir().join("omniq.db")),
    };
    match location {
        Location::SqliteFile(path) => sqlite(Some(path), settings).await,
        Location::SqliteMemory => sqlite(None, settings).await,
        Location::Folder(path) => folder(path, settings).await,
        Location::Memory => memory(),
    }
}

/// Returns the kind of storage that a URL names.
///
/// # Errors
///
/// Of kind `Settings` if the URL can't be used.
pub(crate) fn backend(url: &str) -> Result<Backend> {
    Ok(match parse(url)? {
        Location::SqliteFile(_) | Location::SqliteMemory => Backend::Sqlite,
        Location::Folder(_) => Backend::File,
        Location::Memory => Backend::Memory,
    })
}

fn parse(url: &str) -> Result<Location> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    match scheme {
        "sqlite" | "" if is_almost_memory(rest) => Err(settings_error(
            "write sqlite::memory: for SQLite in memory, or memory: for plain maps",
        )),
        "memory" if rest.is_empty() && url.ends_with(':') => Ok(Location::Memory),
        "memory" => Err(settings_error(
            "the URL of the memory storage is memory: without anything after it",
        )),
        "sqlite" if rest == ":memory:" => Ok(Location::SqliteMemory),
        "sqlite" => sqlite_path(rest),
        "file" => folder_path(rest),
        path if !url.contains(':') && !path.is_empty() => Err(settings_error(format!(
            "{path:?} is not a URL: write sqlite:///{path} for a database file"
        ))),
        // The rest of an unknown URL may hold a password.
        other => Err(settings_error(format!(
            "the URL scheme {other:?} is unknown: use one of {KNOWN_FORMS}"
        ))),
    }
}

/// Whether the rest of a URL is a misspelt `:memory:`.
fn is_almost_memory(rest: &str) -> bool {
    let word = rest.trim_matches(['/', ':']) == "memory";
    word && rest.contains(':') && rest != ":memory:"
}

fn sqlite_path(rest: &str) -> Result<Location> {
    match rest.strip_prefix("///") {
        Some(path) if path.contains('?') => Err(settings_error(
            "the URL of a database file takes no options after a `?`: they are settings of OmniQ",
        )),
        Some(path) if !path.is_empty() => Ok(Location::SqliteFile(PathBuf::from(path))),
        _ => {
            let path = match rest.trim_start_matches('/') {
                "" => "jobs.db",
                path => path,
            };
            // A URL that was meant for a server may hold a password.
            if path.contains(['@', '?']) {
                return Err(settings_error(
                    "a URL that begins with sqlite: names a file, as in sqlite:///relative.db and \
                     sqlite:////absolute.db: no host, no user, no options",
                ));
            }
            Err(settings_error(format!(
                "sqlite:{rest} does not name a database file: write sqlite:///{path} for a relative \
                 path, sqlite:////{path} for an absolute one (three slashes, then the path)"
            )))
        }
    }
}

fn folder_path(rest: &str) -> Result<Location> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        // A URL that was meant for a server may hold a password.
        Some(_) => {
            return Err(settings_error(
                "a URL that begins with file: names a folder, as in file:relative/folder and \
                 file:///absolute/folder (three slashes): no host",
            ));
        }
        None => rest,
    };
    if path.contains('?') {
        return Err(settings_error(
            "the URL of a folder takes no options after a `?`: they are settings of OmniQ",
        ));
    }
    if path.trim_matches('/').is_empty() {
        return Err(settings_error(
            "file: does not name a folder: write file:omniq_data, or file:///var/omniq for an absolute path",
        ));
    }
    Ok(Location::Folder(PathBuf::from(path)))
}

fn settings_error(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Settings, text)
}

#[cfg(feature = "sqlite")]
async fn sqlite(path: Option<PathBuf>, settings: &Settings) -> Result<Arc<dyn Storage>> {
    let core: omniq_core::CoreSettings =
        AsRef::<omniq_core::CoreSettings>::as_ref(settings).clone();
    let opened = tokio::task::spawn_blocking(move || {
        use omniq_sqlite::SqliteStorage;
        let Some(path) = path else {
            return SqliteStorage::open_in_memory(&core);
        };
        create_parent(&path)?;
        SqliteStorage::open(path, &core)
    });
    let storage = opened.await.map_err(|e| {
        Error::new(ErrorKind::Storage, "opening the database was interrupted").with_source(e)
    })??;
    Ok(Arc::new(storage))
}

#[cfg(feature = "sqlite")]
fn create_parent(path: &std::path::Path) -> Result<()> {
    let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    std::fs::create_dir_all(folder).map_err(|e| {
        let text = format!("the folder {} can't be created", folder.display());
        Error::new(ErrorKind::Storage, text).with_source(e)
    })
}

#[cfg(not(feature = "sqlite"))]
async fn sqlite(_: Option<PathBuf>, _: &Settings) -> Result<Arc<dyn Storage>> {
    Err(not_built("sqlite"))
}

#[cfg(feature = "file")]
async fn folder(path: PathBuf, settings: &Settings) -> Result<Arc<dyn Storage>> {
    let core: omniq_core::CoreSettings =
        AsRef::<omniq_core::CoreSettings>::as_ref(settings).clone();
    let opened = tokio::task::spawn_blocking(move || omniq_file::FileStorage::open(path, &core));
    let storage = opened.await.map_err(|e| {
        Error::new(ErrorKind::Storage, "opening the folder was interrupted").with_source(e)
    })??;
    Ok(Arc::new(storage))
}

#[cfg(not(feature = "file"))]
async fn folder(_: PathBuf, _: &Settings) -> Result<Arc<dyn Storage>> {
    Err(not_built("file"))
}

#[cfg(feature = "memory")]
fn memory() -> Result<Arc<dyn Storage>> {
    Ok(Arc::new(omniq_memory::MemoryStorage::new()))
}

#[cfg(not(feature = "memory"))]
fn memory() -> Result<Arc<dyn Storage>> {
    Err(not_built("memory"))
}

#[cfg(not(all(feature = "sqlite", feature = "file", feature = "memory")))]
fn not_built(feature: &str) -> Error {
    settings_error(format!(
        "this program was built without the storage {feature:?}: add the feature {feature:?} to omniq in Cargo.toml"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_a_url_names_a_location() {
        let file = |path: &str| Location::SqliteFile(PathBuf::from(path));
        let folder = |path: &str| Location::Folder(PathBuf::from(path));
        let cases = [
            ("sqlite:///jobs.db", file("jobs.db")),
            ("sqlite:///a b/%20.db", file("a b/%20.db")),
            ("sqlite:////var/jobs.db", file("/var/jobs.db")),
            ("sqlite::memory:", Location::SqliteMemory),
            ("file:a b/%20", folder("a b/%20")),
            ("file:./omniq_data", folder("./omniq_data")),
            ("file:///var/omniq", folder("/var/omniq")),
            ("file:/var/omniq", folder("/var/omniq")),
            ("memory:", Location::Memory),
        ];
        for (url, expected) in cases {
            assert_eq!(parse(url).unwrap(), expected, "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_says_what_to_write_instead() {
        let cases = [
            ("sqlite://x.db", "sqlite:///x.db"),
            ("sqlite:x.db", "sqlite:///x.db"),
            ("sqlite:///", "sqlite:///jobs.db"),
            ("sqlite:///a.db?mode=ro", "takes no options"),
            ("sqlite://:memory:", "write sqlite::memory:"),
            ("jobs.db", "sqlite:///jobs.db"),
            ("sqlite::memory", "write sqlite::memory:"),
            (":memory:", "write sqlite::memory:"),
            ("memory", "memory: without anything"),
            ("memory:x", "memory: without anything"),
            ("file:", "file:omniq_data"),
            ("file:///", "file:omniq_data"),
            ("file://me:secret@host/data", "no host"),
            ("file:data?secret", "no options"),
            ("mysql://me:secret@host/db", "sqlite:///relative.db"),
            ("", "memory:"),
            ("sqlite:///x.db?key=secret", "takes no options"),
            ("sqlite://me:secret@host/db", "no user"),
        ];
        for (url, expected) in cases {
            let error = parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Settings);
            let text = error.to_string();
            assert!(text.contains(expected), "{expected} in {text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
