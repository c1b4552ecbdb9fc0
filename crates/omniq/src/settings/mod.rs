//! Every knob, with its default and what is allowed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use omniq_core::{Backoff, CoreSettings, Durability, Error, ErrorKind, Result, Serializer};

use crate::connect;

mod builder;

pub use builder::SettingsBuilder;
pub(crate) use builder::check_prefetch;

/// How OmniQ behaves. Made by [`Settings::builder`], [`Settings::from_env`] or [`Settings::default`], and
/// always valid.
///
/// ```
/// # use std::time::Duration;
/// let settings = omniq::Settings::builder().url("memory:").lease(Duration::from_secs(10)).build()?;
/// assert_eq!(settings.max_attempts(), 3);
/// # Ok::<(), omniq::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    core: CoreSettings,
    url: Option<String>,
    base_dir: PathBuf,
    result_ttl: Duration,
    failed_ttl: Duration,
    lease: Duration,
    grace: Duration,
    prefetch: Option<usize>,
    max_crashes: u32,
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
        }
    }
}

impl Settings {
    /// The defaults, to be changed one by one.
    pub fn builder() -> SettingsBuilder {
        SettingsBuilder {
            settings: Self::default(),
        }
    }

    /// From the environment: `OMNIQ_DB_URL`. The other settings keep their defaults.
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// As [`from_env`](Self::from_env), with the values of the variables taken from `lookup`.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut builder = Self::builder();
        if let Some(url) = lookup("OMNIQ_DB_URL") {
            connect::check(&url).map_err(|e| {
                let text = format!("the variable OMNIQ_DB_URL: {e}");
                Error::new(ErrorKind::Settings, text).with_source(e)
            })?;
            builder = builder.url(url);
        }
        builder.build()
    }

    /// Where tasks are kept, if it was said.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The folder of the default database.
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
}

impl AsRef<CoreSettings> for Settings {
    fn as_ref(&self) -> &CoreSettings {
        &self.core
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_comes_from_the_environment() {
        let found =
            Settings::from_lookup(|name| (name == "OMNIQ_DB_URL").then(|| "memory:".into()));
        assert_eq!(found.unwrap().url(), Some("memory:"));
        let wrong = Settings::from_lookup(|_| Some("sqlite://x.db".into())).unwrap_err();
        assert!(wrong.to_string().contains("OMNIQ_DB_URL"), "{wrong}");
        assert_eq!(
            Settings::from_lookup(|_| None).unwrap(),
            Settings::default()
        );
    }
}
