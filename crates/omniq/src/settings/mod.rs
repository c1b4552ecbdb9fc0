//! Every knob, with its default and what is allowed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use omniq_core::{Backoff, CoreSettings, Durability, Result, Serializer};
use serde::{Deserialize, Serialize};

mod builder;
mod env;
mod log_level;
mod url;
mod written;

pub use builder::SettingsBuilder;
pub(crate) use builder::check_prefetch;
pub use log_level::LogLevel;
pub(crate) use url::Url;

/// How OmniQ behaves. Made by [`Settings::builder`], [`Settings::from_env`] or [`Settings::default`], or read
/// from a configuration file, and always valid.
///
/// ```
/// # use std::time::Duration;
/// let settings = omniq::Settings::builder().url("memory:").lease(Duration::from_secs(10)).build()?;
/// assert_eq!(settings.max_attempts(), 3);
/// # Ok::<(), omniq::Error>(())
/// ```
///
/// In a file, spans are numbers of seconds, no time limit is `"none"`, and what is left out has its default:
///
/// ```
/// let settings: omniq::Settings = serde_json::from_str(
///     r#"{"url": "sqlite:///jobs.db", "timeout": "none", "lease": 10, "backoff": {"fixed": 0.5}}"#,
/// )?;
/// assert_eq!(settings.timeout(), None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "written::Written", into = "written::Written")]
pub struct Settings {
    core: CoreSettings,
    url: Option<Url>,
    base_dir: PathBuf,
    result_ttl: Duration,
    failed_ttl: Duration,
    lease: Duration,
    grace: Duration,
    prefetch: Option<usize>,
    max_crashes: u32,
    log_level: LogLevel,
}

/// The kinds of storages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// A SQLite database.
    Sqlite,
    /// A folder of files.
    File,
    /// The memory of this process.
    Memory,
}

impl Backend {
    /// The name in `OMNIQ_BACKEND`, in any case.
    fn parse(name: &str) -> Option<Self> {
        let all = [Self::Sqlite, Self::File, Self::Memory];
        all.into_iter()
            .find(|backend| name.eq_ignore_ascii_case(backend.as_str()))
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::File => "file",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            core: CoreSettings::default(),
            url: None,
            base_dir: PathBuf::from("./omniq_data"),
            result_ttl: DAY,
            failed_ttl: DAY * 30,
            lease: Duration::from_secs(30),
            grace: Duration::from_secs(30),
            prefetch: None,
            max_crashes: 3,
            log_level: LogLevel::default(),
        }
    }
}

impl Settings {
    /// The defaults, to be changed one by one.
    pub fn builder() -> SettingsBuilder {
        SettingsBuilder {
            settings: Self::default(),
            backend: None,
        }
    }

    /// From the environment.
    ///
    /// | variable | meaning | default |
    /// | --- | --- | --- |
    /// | `OMNIQ_BACKEND` | `sqlite`, `file` or `memory` | from the URL, else `sqlite` |
    /// | `OMNIQ_DB_URL` | where tasks are kept: see [`AsyncOmniQ::connect`](crate::AsyncOmniQ::connect) | `sqlite:///<base_dir>/omniq.db` |
    /// | `OMNIQ_BASE_DIR` | the folder of file storage, or of the default database | `./omniq_data` |
    /// | `OMNIQ_DEFAULT_TIMEOUT` | seconds for one attempt; `none` for no limit | 300 |
    /// | `OMNIQ_DEFAULT_MAX_ATTEMPTS` | total executions; `OMNIQ_DEFAULT_MAX_RETRIES` is read as the same number | 3 |
    /// | `OMNIQ_RESULT_TTL` | seconds that successes and cancellations are kept | 86400 |
    /// | `OMNIQ_FAILED_TTL` | seconds that failures are kept | 2592000 |
    /// | `OMNIQ_SERIALIZER` | `json` (also called `msgspec`) or `msgpack` | `json` |
    /// | `OMNIQ_DURABILITY` | `full` or `normal` | `full` |
    /// | `OMNIQ_LEASE` | seconds that a claim holds unless it is renewed | 30 |
    /// | `OMNIQ_POLL_INTERVAL` | seconds between two looks for what nobody told of | 1 |
    /// | `OMNIQ_GRACE` | seconds that a stopping pool waits for running handlers | 30 |
    /// | `OMNIQ_PREFETCH` | tasks claimed ahead of the free seats, 0 to 10000 | measured |
    /// | `OMNIQ_MAX_CRASHES` | with how many crashes a task fails | 3 |
    /// | `OMNIQ_MAX_PAYLOAD` | bytes of the largest payload or result | 1048576 |
    /// | `OMNIQ_LOG_LEVEL` | `DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL`, or directives: see [`LogLevel`] | `INFO` |
    ///
    /// Words may be written in any case, and with space around them; an empty variable is as good as none. An
    /// error of kind `Settings` names every variable that can't be used, its value, and what is allowed. A
    /// variable that begins with `OMNIQ_` and is none of these is logged as a warning.
    pub fn from_env() -> Result<Self> {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("OMNIQ_") && !env::NAMES.contains(&&*name) {
                tracing::warn!(%name, "there is no such setting");
            }
        }
        env::read(|name| std::env::var_os(name).map(|value| value.into_string()))
    }

    /// As [`from_env`](Self::from_env), with the values of the variables taken from `lookup`.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        env::read(|name| lookup(name).map(Ok))
    }

    /// Where tasks are kept, if it was said.
    pub fn url(&self) -> Option<&str> {
        self.url.as_ref().map(|url| url.0.as_str())
    }

    /// The folder of file storage, or of the default database.
    pub fn base_dir(&self) -> &Path {
        &self.base_dir
    }

    /// The queue of an order that names none.
    pub fn queue(&self) -> &str {
        &self.core.queue
    }

    /// The total number of executions of an order that says nothing else.
    pub fn max_attempts(&self) -> u32 {
        self.core.max_attempts
    }

    /// The time limit of one attempt of an order that says nothing else; `None` for no limit.
    pub fn timeout(&self) -> Option<Duration> {
        self.core.timeout
    }

    /// The wait between attempts of an order that says nothing else.
    pub fn backoff(&self) -> Backoff {
        self.core.backoff
    }

    /// The largest payload or result, in bytes.
    pub fn max_payload(&self) -> usize {
        self.core.max_payload
    }

    /// How arguments and results are written.
    pub fn serializer(&self) -> Serializer {
        self.core.serializer
    }

    /// What a commit means.
    pub fn durability(&self) -> Durability {
        self.core.durability
    }

    /// How often to look for what nobody told of.
    pub fn poll_interval(&self) -> Duration {
        self.core.poll_interval
    }

    /// How long successes and cancellations are kept.
    pub fn result_ttl(&self) -> Duration {
        self.result_ttl
    }

    /// How long failures are kept.
    pub fn failed_ttl(&self) -> Duration {
        self.failed_ttl
    }

    /// How long a claim holds unless it is renewed.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// How long a stopping pool waits for running handlers.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// How many tasks a pool claims ahead of its free seats; `None` lets each pool measure it.
    pub fn prefetch(&self) -> Option<usize> {
        self.prefetch
    }

    /// With how many crashes a task fails.
    pub fn max_crashes(&self) -> u32 {
        self.max_crashes
    }

    /// What to log, for `omniq::logging::init_with`.
    pub fn log_level(&self) -> &LogLevel {
        &self.log_level
    }
}

impl AsRef<CoreSettings> for Settings {
    fn as_ref(&self) -> &CoreSettings {
        &self.core
    }
}
