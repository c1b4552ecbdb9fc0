use std::path::PathBuf;
use std::time::Duration;

use omniq_core::{Backoff, Durability, Error, ErrorKind, Result, Serializer};

use super::{Backend, LogLevel, Settings, Url};
use crate::connect;

/// SQLite holds no value of 1,000,000,000 bytes; half of that leaves room for the rest of the row.
pub(super) const MAX_PAYLOAD: usize = 512 * 1024 * 1024;

/// Changes settings one by one; [`build`](Self::build) checks them.
#[derive(Debug, Clone)]
#[must_use = "settings do nothing until they are built"]
pub struct SettingsBuilder {
    pub(super) settings: Settings,
    pub(super) backend: Option<Backend>,
}

impl SettingsBuilder {
    /// Where tasks are kept, such as `sqlite:///jobs.db` or `memory:`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.settings.url = Some(Url(url.into()));
        self
    }

    /// The kind of storage: at its usual place, unless there is a URL, which then has to name the same kind.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// The folder of the default database; `./omniq_data` by default.
    pub fn base_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.settings.base_dir = folder.into();
        self
    }

    /// The queue of an order that names none; `default` by default.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.settings.core.queue = queue.into();
        self
    }

    /// The total number of executions, at least 1; 3 by default.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.settings.core.max_attempts = attempts;
        self
    }

    /// The time limit of one attempt; `None` for no limit; 300 s by default.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.core.timeout = limit.into();
        self
    }

    /// The wait between attempts; exponential from 1 s to 60 s by default.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.settings.core.backoff = backoff;
        self
    }

    /// The largest payload or result, in bytes; 1 MiB by default.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.settings.core.max_payload = bytes;
        self
    }

    /// How arguments and results are written; JSON by default.
    pub fn serializer(mut self, serializer: Serializer) -> Self {
        self.settings.core.serializer = serializer;
        self
    }

    /// What a commit means; full by default.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.settings.core.durability = durability;
        self
    }

    /// How often to look for what nobody told of; 1 s by default.
    pub fn poll_interval(mut self, span: Duration) -> Self {
        self.settings.core.poll_interval = span;
        self
    }

    /// How long successes and cancellations are kept; 24 h by default.
    pub fn result_ttl(mut self, span: Duration) -> Self {
        self.settings.result_ttl = span;
        self
    }

    /// How long failures are kept; 30 days by default.
    pub fn failed_ttl(mut self, span: Duration) -> Self {
        self.settings.failed_ttl = span;
        self
    }

    /// How long a claim holds unless it is renewed; 30 s by default.
    pub fn lease(mut self, span: Duration) -> Self {
        self.settings.lease = span;
        self
    }

    /// How long a stopping pool waits for running handlers; 30 s by default.
    pub fn grace(mut self, span: Duration) -> Self {
        self.settings.grace = span;
        self
    }

    /// How many tasks a pool claims ahead of its free seats: 0 for none, at most 10,000; measured by
    /// each pool by default.
    pub fn prefetch(mut self, tasks: usize) -> Self {
        self.settings.prefetch = Some(tasks);
        self
    }

    /// With how many crashes a task fails, at least 1; 3 by default.
    pub fn max_crashes(mut self, crashes: u32) -> Self {
        self.settings.max_crashes = crashes;
        self
    }

    /// What to log, for `omniq::logging::init_with`; `info` by default.
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.settings.log_level = level;
        self
    }

    /// The settings; an error of kind `Settings` names the first one that can't be used. Spans of more than
    /// 1,000 years count as 1,000 years.
    pub fn build(mut self) -> Result<Settings> {
        self.find_place()?;
        self.shorten();
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
    /// A span of centuries is as good as for ever, and can be written into a file.
    fn shorten(&mut self) {
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

    /// The URL that was said, or that the backend has by itself.
    fn find_place(&mut self) -> Result<()> {
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

/// A prefetch larger than this would only keep work from others.
pub(super) const MOST_PREFETCH: usize = 10_000;

pub(crate) fn check_prefetch(prefetch: Option<usize>) -> Result<()> {
    let tasks = prefetch.unwrap_or(0);
    check("prefetch", tasks, tasks <= MOST_PREFETCH, "0 to 10000")
}

/// Shorter spans would spin.
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
    fn a_value_that_cannot_be_used_is_named_with_what_is_allowed() {
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
