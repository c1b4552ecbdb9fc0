//! What a process is told on its command line, as `key=value`.

use std::path::PathBuf;
use std::time::Duration;

use omniq::{AsyncOmniQ, Backend, Settings};

use crate::Outcome;
use crate::till::Driver;

/// How a process works. Durability is full, always.
#[derive(Debug, Clone)]
pub struct Options {
    /// The database.
    pub db: PathBuf,
    /// Where tasks are kept: in the database, or in a folder of files beside where it would be.
    pub storage: Backend,
    /// The log.
    pub log: PathBuf,
    /// How many handlers run at the same time.
    pub concurrency: usize,
    /// The length of a lease.
    pub lease: Duration,
    /// The poll interval.
    pub poll: Duration,
    /// With how many crashes a task fails.
    pub max_crashes: u32,
    /// What a producer throws its dice with.
    pub seed: u64,
    /// Whose transactions the till uses.
    pub driver: Driver,
}

impl Options {
    /// The queue's own defaults, with a concurrency of 4.
    pub fn new(db: PathBuf, log: PathBuf) -> Self {
        let defaults = Settings::default();
        Self {
            db,
            storage: Backend::Sqlite,
            log,
            concurrency: 4,
            lease: defaults.lease(),
            poll: defaults.poll_interval(),
            max_crashes: defaults.max_crashes(),
            seed: 0,
            driver: Driver::Rusqlite,
        }
    }

    /// For a command line.
    pub fn to_args(&self) -> Vec<String> {
        vec![
            format!("db={}", self.db.display()),
            format!("storage={}", self.storage),
            format!("log={}", self.log.display()),
            format!("concurrency={}", self.concurrency),
            format!("lease_ms={}", self.lease.as_millis()),
            format!("poll_ms={}", self.poll.as_millis()),
            format!("max_crashes={}", self.max_crashes),
            format!("seed={}", self.seed),
            format!("driver={}", self.driver.as_str()),
        ]
    }

    /// From a command line.
    ///
    /// # Errors
    ///
    /// If a key is unknown or its value can't be read.
    pub fn from_args(args: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut options = Self::new("queue.db".into(), "log".into());
        for arg in args {
            let (key, value) = arg.split_once('=').ok_or("expected key=value")?;
            match key {
                "db" => options.db = value.into(),
                "storage" => options.storage = backend(value)?,
                "log" => options.log = value.into(),
                "concurrency" => options.concurrency = value.parse()?,
                "lease_ms" => options.lease = Duration::from_millis(value.parse()?),
                "poll_ms" => options.poll = Duration::from_millis(value.parse()?),
                "max_crashes" => options.max_crashes = value.parse()?,
                "seed" => options.seed = value.parse()?,
                "driver" => options.driver = value.parse()?,
                _ => return Err(format!("there is no option {key}").into()),
            }
        }
        Ok(options)
    }

    /// The queue's settings.
    ///
    /// # Errors
    ///
    /// If one of them can't be used.
    pub fn settings(&self) -> omniq::Result<Settings> {
        let url = match self.storage {
            Backend::File => format!("file:{}", self.db.with_extension("files").display()),
            _ => format!("sqlite:///{}", self.db.display()),
        };
        Settings::builder()
            .url(url)
            .lease(self.lease)
            .poll_interval(self.poll)
            .max_crashes(self.max_crashes)
            .build()
    }

    /// Opens the queue.
    ///
    /// # Errors
    ///
    /// Those of [`AsyncOmniQ::with_settings`].
    pub async fn open(&self) -> omniq::Result<AsyncOmniQ> {
        AsyncOmniQ::with_settings(self.settings()?).await
    }
}

fn backend(name: &str) -> Outcome<Backend> {
    let all = [Backend::Sqlite, Backend::File];
    let found = all.into_iter().find(|backend| backend.as_str() == name);
    found.ok_or_else(|| format!("no process can use the storage {name}").into())
}
