//! The form of settings in an application's own configuration file.

use std::path::PathBuf;
use std::time::Duration;

use omniq_core::{Backoff, Durability, Error, ErrorKind, Serializer};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer as Writer};

use super::Settings;

/// Every setting, by its name in the builder. A missing one has its default.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConfigFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    base_dir: PathBuf,
    queue: String,
    max_attempts: u32,
    timeout: Limit,
    backoff: BackoffConfig,
    serializer: Serializer,
    max_payload: usize,
    durability: Durability,
    poll_interval: Seconds,
    result_ttl: Seconds,
    failed_ttl: Seconds,
    lease: Seconds,
    grace: Seconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefetch: Option<usize>,
    max_crashes: u32,
    log_level: String,
}

/// A time span as a number of seconds.
#[derive(Clone, Copy)]
struct Seconds(Duration);

/// A time limit, or the word `none`, because some formats have no null.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a number of seconds, or \"none\"")]
enum Limit {
    Seconds(Seconds),
    Word(NoLimit),
}

#[derive(Serialize, Deserialize)]
enum NoLimit {
    #[serde(rename = "none")]
    None,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BackoffConfig {
    Fixed(Seconds),
    Exponential { first: Seconds, max: Seconds },
}

impl Default for ConfigFile {
    fn default() -> Self {
        Settings::default().into()
    }
}

impl Serialize for Settings {
    fn serialize<S: Writer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        ConfigFile::from(self.clone()).serialize(writer)
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let file = ConfigFile::deserialize(reader)?;
        Self::try_from(file).map_err(|error| D::Error::custom(error.chain()))
    }
}

impl Serialize for Seconds {
    fn serialize<S: Writer>(&self, writer: S) -> Result<S::Ok, S::Error> {
        match self.0.subsec_nanos() {
            0 => writer.serialize_u64(self.0.as_secs()),
            _ => writer.serialize_f64(self.0.as_secs_f64()),
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(reader)?;
        Duration::try_from_secs_f64(seconds)
            .map(Self)
            .map_err(|_| D::Error::custom(format!("{seconds} is not a valid number of seconds")))
    }
}

impl From<Settings> for ConfigFile {
    fn from(settings: Settings) -> Self {
        let core = settings.core;
        Self {
            url: settings.url.map(|url| url.0),
            base_dir: settings.base_dir,
            queue: core.queue,
            max_attempts: core.max_attempts,
            timeout: match core.timeout {
                Some(limit) => Limit::Seconds(Seconds(limit)),
                None => Limit::Word(NoLimit::None),
            },
            backoff: match core.backoff {
                Backoff::Fixed(wait) => BackoffConfig::Fixed(Seconds(wait)),
                Backoff::Exponential { first, max } => BackoffConfig::Exponential {
                    first: Seconds(first),
                    max: Seconds(max),
                },
                // A new kind of backoff needs a form here; until then it would be lost, and a test fails.
                _ => BackoffConfig::Fixed(Seconds(Duration::ZERO)),
            },
            serializer: core.serializer,
            max_payload: core.max_payload,
            durability: core.durability,
            poll_interval: Seconds(core.poll_interval),
            result_ttl: Seconds(settings.result_ttl),
            failed_ttl: Seconds(settings.failed_ttl),
            lease: Seconds(settings.lease),
            grace: Seconds(settings.grace),
            prefetch: settings.prefetch,
            max_crashes: settings.max_crashes,
            log_level: settings.log_level.to_string(),
        }
    }
}

impl TryFrom<ConfigFile> for Settings {
    type Error = Error;

    fn try_from(file: ConfigFile) -> Result<Self, Error> {
        let timeout = match file.timeout {
            Limit::Seconds(limit) => Some(limit.0),
            Limit::Word(NoLimit::None) => None,
        };
        let backoff = match file.backoff {
            BackoffConfig::Fixed(wait) => Backoff::Fixed(wait.0),
            BackoffConfig::Exponential { first, max } => Backoff::Exponential {
                first: first.0,
                max: max.0,
            },
        };
        let log_level = file.log_level.parse().map_err(|error: Error| {
            let text = "the setting log_level can't be used";
            Error::new(ErrorKind::Settings, text).with_source(error)
        })?;
        let mut builder = Settings::builder()
            .base_dir(file.base_dir)
            .queue(file.queue)
            .max_attempts(file.max_attempts)
            .timeout(timeout)
            .backoff(backoff)
            .serializer(file.serializer)
            .max_payload(file.max_payload)
            .durability(file.durability)
            .poll_interval(file.poll_interval.0)
            .result_ttl(file.result_ttl.0)
            .failed_ttl(file.failed_ttl.0)
            .lease(file.lease.0)
            .grace(file.grace.0)
            .max_crashes(file.max_crashes)
            .log_level(log_level);
        if let Some(url) = file.url {
            builder = builder.url(url);
        }
        if let Some(tasks) = file.prefetch {
            builder = builder.prefetch(tasks);
        }
        builder.build()
    }
}
