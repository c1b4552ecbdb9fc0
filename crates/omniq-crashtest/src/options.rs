//! The options of a process, passed on its command line as `key=value`.

use std::path::PathBuf;
use std::time::Duration;

use omniq::{AsyncOmniQ, Backend, Settings};

use crate::{Driver, HarnessResult};

/// The options of a process. The durability is always full.
#[derive(Debug, Clone)]
pub struct Options {
    /// The path of the database.
    pub db: PathBuf,
    /// The storage: the database, or a folder of files next to its path.
    pub storage: Backend,
    /// The path of the log.
    pub log: PathBuf,
    /// The number of handlers that run at the same time.
    pub concurrency: usize,
    /// The length of a lease.
    pub lease: Duration,
    /// The poll interval.
    pub poll: Duration,
    /// The number of crashes after which a task fails.
    pub max_crashes: u32,
    /// The seed of a producer's random number generator.
    pub seed: u64,
    /// The number of a process that [`linearize`](crate::linearize) started.
    pub number: u64,
    /// The SQLite driver whose transactions the shop application uses.
    pub driver: Driver,
}

impl Options {
    /// Returns the defaults of the queue, with a concurrency of 4.
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
            number: 0,
            driver: Driver::Rusqlite,
        }
    }

    /// Returns the options as command-line arguments.
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
            format!("number={}", self.number),
            format!("driver={}", self.driver.as_str()),
        ]
    }

    /// Parses command-line arguments.
    ///
    /// # Errors
    ///
    /// Returns an error if a key is unknown, or if a value can't be parsed.
    pub fn from_args(args: impl Iterator<Item = String>) -> HarnessResult<Self> {
        let mut options = Self::new("queue.db".into(), "log".into());
        for arg in args {
            let (key, value) = arg
                .split_once('=')
                .ok_or_else(|| format!("{arg:?} is not key=value"))?;
            match key {
                "db" => options.db = value.into(),
                "storage" => options.storage = parse_backend(value)?,
                "log" => options.log = value.into(),
                "concurrency" => options.concurrency = value.parse()?,
                "lease_ms" => options.lease = Duration::from_millis(value.parse()?),
                "poll_ms" => options.poll = Duration::from_millis(value.parse()?),
                "max_crashes" => options.max_crashes = value.parse()?,
                "seed" => options.seed = value.parse()?,
                "number" => options.number = value.parse()?,
                "driver" => options.driver = value.parse()?,
                _ => return Err(format!("unknown option {key:?}").into()),
            }
        }
        Ok(options)
    }

    /// Returns the settings of the queue.
    ///
    /// # Errors
    ///
    /// Returns an error if a setting is invalid.
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
    /// Returns the errors of [`AsyncOmniQ::with_settings`].
    pub async fn open(&self) -> omniq::Result<AsyncOmniQ> {
        AsyncOmniQ::with_settings(self.settings()?).await
    }
}

/// Returns the storage of this name.
pub(crate) fn parse_backend(name: &str) -> HarnessResult<Backend> {
    let all = [Backend::Sqlite, Backend::File];
    let found = all.into_iter().find(|backend| backend.as_str() == name);
    found.ok_or_else(|| format!("unknown storage {name:?}: expected sqlite or file").into())
}
