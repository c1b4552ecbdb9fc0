use std::path::PathBuf;
use std::time::Duration;

use omniq_core::{Backoff, Durability, Error, ErrorKind, Result, Serializer};

use super::{Backend, LogLevel, Settings, Url};
use crate::connect;

/// SQLite holds no value of 1,000,000,000 bytes; half of that leaves room for the rest of the row.
pub(super) const MAX_PAYLOAD: usize = 512 * 1024 * 1024;

/// Sets the settings one by one; [`build`](Self::build) checks them.
#[derive(Debug, Clone)]
#[must_use = "settings do nothing until they are built"]
pub struct SettingsBuilder {
    pub(super) settings: Settings,
    pub(super) backend: Option<Backend>,
}

impl Settings {
    /// Returns a builder that starts with the defaults.
    pub fn builder() -> SettingsBuilder {
        SettingsBuilder {
            settings: Self::default(),
            backend: None,
        }
    }
}

impl SettingsBuilder {
    /// Sets the URL of the storage, such as `sqlite:///jobs.db` or `memory:`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.settings.url = Some(Url(url.into()));
        self
    }

    /// Sets the kind of storage, at its default location. If there is a URL too, it has to name the same kind.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Sets the folder of the file storage, or of the default database; `./omniq_data` by default.
    pub fn base_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.settings.base_dir = folder.into();
        self
    }

    /// Sets the queue of orders that name none; `default` by default.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.settings.core.queue = queue.into();
        self
    }

    /// Sets the total number of executions of a task, at least 1; 3 by default.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.settings.core.max_attempts = attempts;
        self
    }

    /// Sets the time limit of one attempt; `None` means no limit; 300 s by default.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.core.timeout = limit.into();
        self
    }

    /// Sets the wait between attempts; by default it doubles from 1 s up to 60 s.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.settings.core.backoff = backoff;
        self
    }

    /// Sets the largest size of a payload or a result, in bytes; 1 MiB by default.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.settings.core.max_payload = bytes;
        self
    }

    /// Sets the format of arguments and results; JSON by default.
    pub fn serializer(mut self, serializer: Serializer) -> Self {
        self.settings.core.serializer = serializer;
        self
    }

    /// Sets what a commit survives; full by default.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.settings.core.durability = durability;
        self
    }

    /// Sets the time between two safety checks, which find changes that caused no notification; 1 s by default.
    pub fn poll_interval(mut self, span: Duration) -> Self {
        self.settings.core.poll_interval = span;
        self
    }

    /// Sets how long succeeded and cancelled tasks are stored; 24 h by default.
    pub fn result_ttl(mut self, span: Duration) -> Self {
        self.settings.result_ttl = span;
        self
    }

    /// Sets how long failed tasks are stored; 30 days by default.
    pub fn failed_ttl(mut self, span: Duration) -> Self {
        self.settings.failed_ttl = span;
        self
    }

    /// Sets how long a lease is valid unless it is renewed; 30 s by default.
    pub fn lease(mut self, span: Duration) -> Self {
        self.settings.lease = span;
        self
    }

    /// Sets how long a stopping pool waits for running handlers; 30 s by default.
    pub fn grace(mut self, span: Duration) -> Self {
        self.settings.grace = span;
        self
    }

    /// Sets how many tasks a pool claims beyond its free seats, at most 10,000; 0 means none. By default, each pool
    /// measures it.
    pub fn prefetch(mut self, tasks: usize) -> Self {
        self.settings.prefetch = Some(tasks);
        self
    }

    /// Sets the number of crashes at which a task fails, at least 1; 3 by default.
    pub fn max_crashes(mut self, crashes: u32) -> Self {
        self.settings.max_crashes = crashes;
        self
    }

    /// Sets what to log, for `omniq::logging::init_with`; `info` by default.
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.settings.log_level = level;
        self
    }

    /// Checks the settings and returns them. Time spans of more than 1,000 years become 1,000 years.
    ///
    /// Fails with kind `Settings` if a value is not allowed; the error names the first such setting.
    pub fn build(mut self) -> Result<Settings> {
        self.resolve_url()?;
        self.limit_spans();
        let s = &self.settings;
        let limit = s.core.timeout;
        check(
            "queue",
            format!("{:?}", s.core.queue),
            !s.core.queue.is_empty(),
            "a name",
        )?;
        check(
            "max_attempts",
            s.core.max_attempts,
            s.core.max_attempts > 0,
            "at least 1",
        )?;
        check(
            "max_payload",
            s.core.max_payload,
            (1..=MAX_PAYLOAD).contains(&s.core.max_payload),
            "1 to 536,870,912 bytes",
        )?;
        check(
            "max_crashes",
            s.max_crashes,
            s.max_crashes > 0,
            "at least 1",
        )?;
        check(
            "serializer",
            format!("{:?}", s.core.serializer.format().as_str()),
            s.core.serializer.is_built_in(),
            "\"json\", or built with omniq's cargo feature of its name",
        )?;
        check_prefetch(s.prefetch)?;
        check_span("timeout", limit.unwrap_or(LONGEST))?;
        check_span("lease", s.lease)?;
        check_span("poll_interval", s.core.poll_interval)?;
        Ok(self.settings)
    }
}

impl SettingsBuilder {
    /// Limits time spans to [`LONGEST`], which can be written to a file, unlike `Duration::MAX`.
    fn limit_spans(&mut self) {
        let s = &mut self.settings;
        let spans = [
            &mut s.core.poll_interval,
            &mut s.result_ttl,
            &mut s.failed_ttl,
            &mut s.lease,
            &mut s.grace,
        ];
        for span in spans.into_iter().chain(&mut s.core.timeout) {
            *span = (*span).min(LONGEST);
        }
    }

    /// Checks the given URL, or sets the default URL of the backend.
    fn resolve_url(&mut self) -> Result<()> {
        if let Some(url) = &self.settings.url {
            let of_url = connect::backend(&url.0)?;
            let expected = format!("{of_url}, which is what the URL names");
            let backend = self.backend.unwrap_or(of_url);
            return check("backend", backend, backend == of_url, &expected);
        }
        self.settings.url = match self.backend {
            None | Some(Backend::Sqlite) => None,
            Some(Backend::File) => {
                let folder = self.settings.base_dir.display();
                let url = format!("file:{folder}");
                connect::backend(&url)?;
                Some(Url(url))
            }
            Some(Backend::Memory) => Some(Url("memory:".to_owned())),
        };
        Ok(())
    }
}

/// A larger prefetch would only keep tasks from other pools.
pub(super) const MOST_PREFETCH: usize = 10_000;

pub(crate) fn check_prefetch(prefetch: Option<usize>) -> Result<()> {
    let tasks = prefetch.unwrap_or(0);
    check("prefetch", tasks, tasks <= MOST_PREFETCH, "0 to 10000")
}

/// A shorter span would make a pool spin.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

/// A thousand years.
const LONGEST: Duration = Duration::from_secs(1000 * 366 * 86_400);

fn check_span(name: &str, span: Duration) -> Result<()> {
    check(name, format!("{span:?}"), span >= SHORTEST, "at least 1 ms")
}

fn check(name: &str, value: impl std::fmt::Display, fits: bool, allowed: &str) -> Result<()> {
    if fits {
        return Ok(());
    }
    let text = format!("the setting {name} is {value}, but must be {allowed}");
    Err(Error::new(ErrorKind::Settings, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_invalid_setting_its_value_and_what_is_allowed() {
        let zero = Duration::ZERO;
        let cases = [
            (Settings::builder().lease(zero), "lease is 0ns"),
            (
                Settings::builder().poll_interval(zero),
                "poll_interval is 0ns",
            ),
            (Settings::builder().timeout(zero), "timeout is 0ns"),
            (Settings::builder().max_attempts(0), "max_attempts is 0"),
            (Settings::builder().max_payload(0), "max_payload is 0"),
            (Settings::builder().max_crashes(0), "max_crashes is 0"),
            (Settings::builder().prefetch(20_000), "prefetch is 20000"),
            (Settings::builder().queue(""), "queue is \"\""),
        ];
        for (builder, expected) in cases {
            let error = builder.build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Settings);
            let text = error.to_string();
            assert!(
                text.contains(expected) && text.contains("must be"),
                "{text}"
            );
        }
        Settings::builder().timeout(None).build().unwrap();
    }
}
