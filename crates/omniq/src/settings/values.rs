use std::path::{Path, PathBuf};
use std::time::Duration;

use omniq_core::{Backoff, CoreSettings, Durability, Serializer};

use super::{LogLevel, Url};

/// The settings of a queue and its pools, which are always valid.
///
/// They come from [`Settings::builder`], [`Settings::from_env`] or [`Settings::default`], or from a configuration file.
///
/// ```
/// # use std::time::Duration;
/// let settings = omniq::Settings::builder().url("memory:").lease(Duration::from_secs(10)).build()?;
/// assert_eq!(settings.max_attempts(), 3);
/// # Ok::<(), omniq::Error>(())
/// ```
///
/// In a file, time spans are numbers of seconds, `"none"` means no time limit, and a missing value means the default:
///
/// ```
/// let settings: omniq::Settings = serde_json::from_str(
///     r#"{"url": "sqlite:///jobs.db", "timeout": "none", "lease": 10, "backoff": {"fixed": 0.5}}"#,
/// )?;
/// assert_eq!(settings.timeout(), None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub(super) core: CoreSettings,
    pub(super) url: Option<Url>,
    pub(super) base_dir: PathBuf,
    pub(super) result_ttl: Duration,
    pub(super) failed_ttl: Duration,
    pub(super) lease: Duration,
    pub(super) grace: Duration,
    pub(super) prefetch: Option<usize>,
    pub(super) max_crashes: u32,
    pub(super) log_level: LogLevel,
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
    /// Returns the URL of the storage, if one was given.
    pub fn url(&self) -> Option<&str> {
        self.url.as_ref().map(|url| url.0.as_str())
    }

    /// Returns the folder of the file storage, or of the default database.
    pub fn base_dir(&self) -> &Path {
        &self.base_dir
    }

    /// Returns the queue of orders that name none.
    pub fn queue(&self) -> &str {
        &self.core.queue
    }

    /// Returns the default for the total number of executions of a task.
    pub fn max_attempts(&self) -> u32 {
        self.core.max_attempts
    }

    /// Returns the default for the time limit of one attempt; `None` means no limit.
    pub fn timeout(&self) -> Option<Duration> {
        self.core.timeout
    }

    /// Returns the default for the wait between attempts.
    pub fn backoff(&self) -> Backoff {
        self.core.backoff
    }

    /// Returns the largest size of a payload or a result, in bytes.
    pub fn max_payload(&self) -> usize {
        self.core.max_payload
    }

    /// Returns the default format of arguments and results.
    pub fn serializer(&self) -> Serializer {
        self.core.serializer
    }

    /// Returns what a commit survives.
    pub fn durability(&self) -> Durability {
        self.core.durability
    }

    /// Returns the time between two safety checks, which find changes that caused no notification.
    pub fn poll_interval(&self) -> Duration {
        self.core.poll_interval
    }

    /// Returns how long succeeded and cancelled tasks are stored.
    pub fn result_ttl(&self) -> Duration {
        self.result_ttl
    }

    /// Returns how long failed tasks are stored.
    pub fn failed_ttl(&self) -> Duration {
        self.failed_ttl
    }

    /// Returns how long a lease is valid unless it is renewed.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// Returns how long a stopping pool waits for running handlers.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// Returns how many tasks a pool claims beyond its free seats; `None` means that each pool measures it.
    pub fn prefetch(&self) -> Option<usize> {
        self.prefetch
    }

    /// Returns the number of crashes at which a task fails.
    pub fn max_crashes(&self) -> u32 {
        self.max_crashes
    }

    /// Returns what to log, for `omniq::logging::init_with`.
    pub fn log_level(&self) -> &LogLevel {
        &self.log_level
    }
}

impl AsRef<CoreSettings> for Settings {
    fn as_ref(&self) -> &CoreSettings {
        &self.core
    }
}
