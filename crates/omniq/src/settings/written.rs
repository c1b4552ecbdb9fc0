//! Settings as an application writes them into a configuration file of its own.

use std::path::PathBuf;
use std::time::Duration;

use omniq_core::{Backoff, Durability, Error, ErrorKind, Serializer};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer as Writer};

use super::Settings;

/// Every setting by its name in the builder. What is left out has its default.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    base_dir: PathBuf,
    queue: String,
    max_attempts: u32,
    timeout: Limit,
    backoff: WrittenBackoff,
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

/// A span as a number of seconds.
#[derive(Clone, Copy)]
struct Seconds(Duration);

/// A span, or the word `none`: some formats have no null.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "a number of seconds, or \"none\"")]
enum Limit {
    Seconds(Seconds),
    Word(None),
}

#[derive(Serialize, Deserialize)]
enum None {
    #[serde(rename = "none")]
    None,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenBackoff {
    Fixed(Seconds),
    Exponential { first: Seconds, max: Seconds },
}

impl Default for Written {
    fn default() -> Self {
        Settings::default().into()
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
            .map_err(|_| D::Error::custom(format!("{seconds} is no number of seconds")))
    }
}

impl From<Settings> for Written {
    fn from(settings: Settings) -> Self {
        let core = settings.core;
        Self {
            url: settings.url.map(|url| url.0),
            base_dir: settings.base_dir,
            queue: core.queue,
            max_attempts: core.max_attempts,
            timeout: match core.timeout {
                Some(limit) => Limit::Seconds(Seconds(limit)),
                Option::None => Limit::Word(None::None),
            },
            backoff: match core.backoff {
                Backoff::Fixed(wait) => WrittenBackoff::Fixed(Seconds(wait)),
                Backoff::Exponential { first, max } => WrittenBackoff::Exponential {
                    first: Seconds(first),
                    max: Seconds(max),
                },
                // A kind of backoff that is newer than this function would be lost here: its test says so.
                _ => WrittenBackoff::Fixed(Seconds(Duration::ZERO)),
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

impl TryFrom<Written> for Settings {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self, Error> {
        let timeout = match written.timeout {
            Limit::Seconds(limit) => Some(limit.0),
            Limit::Word(None::None) => Option::None,
        };
        let backoff = match written.backoff {
            WrittenBackoff::Fixed(wait) => Backoff::Fixed(wait.0),
            WrittenBackoff::Exponential { first, max } => Backoff::Exponential {
                first: first.0,
                max: max.0,
            },
        };
        let log_level = written.log_level.parse().map_err(|e: Error| {
            Error::new(ErrorKind::Settings, format!("log_level: {e}")).with_source(e)
        })?;
        let mut builder = Settings::builder()
            .base_dir(written.base_dir)
            .queue(written.queue)
            .max_attempts(written.max_attempts)
            .timeout(timeout)
            .backoff(backoff)
            .serializer(written.serializer)
            .max_payload(written.max_payload)
            .durability(written.durability)
            .poll_interval(written.poll_interval.0)
            .result_ttl(written.result_ttl.0)
            .failed_ttl(written.failed_ttl.0)
            .lease(written.lease.0)
            .grace(written.grace.0)
            .max_crashes(written.max_crashes)
            .log_level(log_level);
        if let Some(url) = written.url {
            builder = builder.url(url);
        }
        if let Some(tasks) = written.prefetch {
            builder = builder.prefetch(tasks);
        }
        builder.build()
    }
}
