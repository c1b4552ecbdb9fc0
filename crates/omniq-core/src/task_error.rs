//! How one attempt of a task failed.

use std::any::{Any, type_name};
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::verdict::{Texts, Verdict, chain};

/// The largest size of all texts of a stored error together, in bytes.
const MAX_STORED: usize = 8 * 1024;

/// How one attempt of a task failed.
///
/// It is serialized as exactly these six fields. Two errors are equal if these fields are equal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskError {
    /// The kind of failure in one word: the last segment of the error's type, or one of OmniQ's own:
    /// `timeout`, `panic`, `crash`, `payload`, `result`, `retry_after`.
    pub error_type: String,
    /// The error's text.
    pub message: String,
    /// When the failure was recorded. It is set when the attempt is settled, and is zero before.
    pub timestamp: Timestamp,
    /// The chain of causes, one per line, and the place where it happened, if that is known.
    pub traceback: Option<String>,
    /// How many attempts there were before this one. It is set when the attempt is settled.
    pub retry_count: u32,
    /// Whether another attempt may help.
    pub is_retryable: bool,
    /// The last link of the chain, by which wrappers of this error are recognised. A settled error has none.
    #[serde(skip)]
    verdict: Option<Verdict>,
}

impl TaskError {
    /// Returns a failure that another attempt can't repair: the remaining attempts are skipped.
    pub fn fatal<E: Into<Box<dyn StdError + Send + Sync>>>(error: E) -> Self {
        Self::of(type_name::<E>(), error.into()).with_retryable(false)
    }

    /// Returns a failure that another attempt may repair.
    pub fn retryable<E: Into<Box<dyn StdError + Send + Sync>>>(error: E) -> Self {
        Self::of(type_name::<E>(), error.into()).with_retryable(true)
    }

    /// Converts a handler's error. If its chain of causes contains a [`fatal`](Self::fatal),
    /// [`retryable`](Self::retryable) or [`retry_after`](Self::retry_after) error, the outermost of them
    /// decides, whatever wraps it. Otherwise the failure is retryable.
    ///
    /// ```
    /// # use omniq_core::TaskError;
    /// let inner: Box<dyn std::error::Error + Send + Sync> = TaskError::fatal("no such user").into();
    /// let error = TaskError::from_error(std::io::Error::other(inner));
    /// assert!(!error.is_retryable);
    /// ```
    pub fn from_error<E>(error: E) -> Self
    where
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let backtrace = backtrace_of(&error);
        let mut converted = Self::of(type_name::<E>(), error.into());
        let lines = converted.traceback.take().into_iter().chain(backtrace);
        converted.caused_by(lines.collect())
    }

    /// Returns a retryable failure whose next attempt comes after `wait` at the earliest, whatever the
    /// task's backoff is: for a server's "try again in 30 seconds".
    pub fn retry_after(wait: Duration) -> Self {
        let text = format!("asked to be tried again in {wait:?}");
        Self::new("retry_after", text).with_verdict(Some(wait))
    }

    /// Returns a retryable failure with this type and text.
    pub fn new(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        let error = Self {
            error_type: error_type.into(),
            message: message.into(),
            timestamp: Timestamp(0),
            traceback: None,
            retry_count: 0,
            is_retryable: true,
            verdict: None,
        };
        error.with_verdict(None)
    }

    fn of(type_name: &str, error: Box<dyn StdError + Send + Sync>) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(own) => return *own,
            Err(other) => other,
        };
        let Some(found) = verdict_in_chain(&*error) else {
            return Self::new(short_type_name(type_name), error.to_string())
                .caused_by(causes(&*error));
        };
        let Some(texts) = found.texts else {
            return Self::new(short_type_name(type_name), error.to_string())
                .caused_by(causes(&*error))
                .with_retryable(found.is_retryable)
                .with_verdict(found.wait);
        };
        let (mut message, mut lines) = (error.to_string(), causes(&*error));
        // A wrapper that only repeats the text of the error in it adds nothing.
        if message == display_text(&texts.error_type, &texts.message) {
            message = texts.message;
        }
        lines.extend(texts.traceback);
        Self::new(texts.error_type, message)
            .caused_by(lines)
            .with_retryable(found.is_retryable)
            .with_verdict(found.wait)
    }

    fn caused_by(self, lines: Vec<String>) -> Self {
        if lines.is_empty() {
            return self;
        }
        self.with_traceback(lines.join("\n"))
    }

    /// Updates the last link of the chain.
    fn with_verdict(mut self, wait: Option<Duration>) -> Self {
        self.verdict = Some(self.verdict(wait));
        self
    }

    fn verdict(&self, wait: Option<Duration>) -> Verdict {
        let texts = Texts {
            error_type: self.error_type.clone(),
            message: self.message.clone(),
            traceback: self.traceback.clone(),
        };
        Verdict {
            is_retryable: self.is_retryable,
            wait: if self.is_retryable { wait } else { None },
            texts: Some(Box::new(texts)),
        }
    }

    /// Sets whether another attempt may help.
    #[must_use]
    pub fn with_retryable(mut self, is_retryable: bool) -> Self {
        self.is_retryable = is_retryable;
        let wait = self.requested_wait();
        self.with_verdict(wait)
    }

    /// Sets the chain of causes, or the place where it happened.
    #[must_use]
    pub fn with_traceback(mut self, traceback: impl Into<String>) -> Self {
        self.traceback = Some(traceback.into());
        let wait = self.requested_wait();
        self.with_verdict(wait)
    }

    /// Returns the text and the texts of the causes, in one line: `can't save: the disk is full`.
    pub fn with_causes(&self) -> String {
        let lines = self.traceback.iter().flat_map(|text| text.lines());
        let causes = lines.filter_map(|line| line.strip_prefix("caused by: "));
        causes.fold(self.message.clone(), |mut text, cause| {
            text.push_str(": ");
            text.push_str(cause);
            text
        })
    }

    /// Returns the wait before the next attempt, if the handler requested one by
    /// [`retry_after`](Self::retry_after).
    pub fn requested_wait(&self) -> Option<Duration> {
        // The field is public, so a caller may have changed it.
        if !self.is_retryable {
            return None;
        }
        self.verdict.as_ref()?.wait
    }

    /// Returns the error as it is stored: with its time and its number, shortened to 8 KiB.
    pub(crate) fn settled(mut self, now: Timestamp, retry_count: u32) -> Self {
        self.timestamp = now;
        self.verdict = None;
        self.retry_count = retry_count;
        truncate(&mut self.error_type, MAX_STORED / 8);
        truncate(&mut self.message, MAX_STORED / 2);
        if let Some(traceback) = &mut self.traceback {
            truncate(traceback, MAX_STORED * 3 / 8);
        }
        self
    }
}

/// Returns the outermost verdict in the chain of an error. A settled error does not count: it is the failure
/// of another task, which this one waited for.
fn verdict_in_chain(error: &(dyn StdError + 'static)) -> Option<Verdict> {
    chain(error).find_map(|error| {
        if let Some(own) = error.downcast_ref::<TaskError>()
            && own.verdict.is_some()
        {
            return Some(own.verdict(own.requested_wait()));
        }
        error.downcast_ref::<Verdict>().cloned()
    })
}

/// Returns one line for each cause.
fn causes(error: &(dyn StdError + 'static)) -> Vec<String> {
    chain(error)
        .skip(1)
        .take_while(|error| !error.is::<Verdict>())
        .map(|error| format!("caused by: {error}"))
        .collect()
}

fn display_text(error_type: &str, message: &str) -> String {
    format!("{error_type}: {message}")
}

/// Returns the backtrace, if the error's type is known to have one.
#[cfg(feature = "anyhow")]
fn backtrace_of(error: &dyn Any) -> Option<String> {
    use std::backtrace::BacktraceStatus::Captured;
    let backtrace = error.downcast_ref::<anyhow::Error>()?.backtrace();
    if backtrace.status() != Captured {
        return None;
    }
    Some(backtrace.to_string())
}

#[cfg(not(feature = "anyhow"))]
fn backtrace_of(_: &dyn Any) -> Option<String> {
    None
}

/// Shortens `alloc::vec::Vec<my::Thing>` to `Vec`. The types of plain texts and boxes say nothing.
fn short_type_name(full: &str) -> String {
    let outer = full.split('<').next().unwrap_or(full);
    let last = outer.rsplit("::").next().unwrap_or(outer);
    match last {
        "&str" | "str" | "String" | "Box" | "Cow" => "Error".to_owned(),
        other => other.trim_start_matches('&').to_owned(),
    }
}

/// Shortens a text to `max` bytes, between two characters.
fn truncate(text: &mut String, max: usize) {
    const MARK: &str = " … (cut)";
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max.saturating_sub(MARK.len())));
        text.push_str(MARK);
    }
}

impl PartialEq for TaskError {
    fn eq(&self, other: &Self) -> bool {
        self.error_type == other.error_type
            && self.message == other.message
            && self.timestamp == other.timestamp
            && self.traceback == other.traceback
            && self.retry_count == other.retry_count
            && self.is_retryable == other.is_retryable
    }
}

impl Eq for TaskError {}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&display_text(&self.error_type, &self.message))
    }
}

impl StdError for TaskError {
    /// Returns the verdict until the failure is settled: wrappers that hide the error itself still pass on its
    /// source.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        static RETRYABLE: Verdict = Verdict::without_texts(true);
        static FATAL: Verdict = Verdict::without_texts(false);
        let verdict = self.verdict.as_ref()?;
        // The field is public, so a caller may have changed it.
        Some(match self.is_retryable {
            same if same == verdict.is_retryable => verdict,
            true => &RETRYABLE,
            false => &FATAL,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_six_fields_are_serialized() {
        let error = TaskError::retry_after(Duration::from_secs(30)).settled(Timestamp(7), 2);
        let wire = serde_json::to_value(&error).unwrap();
        let mut fields: Vec<_> = wire
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "error_type",
                "is_retryable",
                "message",
                "retry_count",
                "timestamp",
                "traceback"
            ]
        );
        assert_eq!(wire["timestamp"], 7);
        assert_eq!(wire["retry_count"], 2);
    }

    #[test]
    fn error_type_is_the_last_segment_and_traceback_is_the_chain() {
        let io = std::io::Error::other("no such disk");
        let parse = TaskError::fatal("x".parse::<u8>().unwrap_err());
        assert_eq!(parse.error_type, "ParseIntError");
        assert!(!parse.is_retryable);
        let outer = crate::Error::new(crate::ErrorKind::Storage, "can't save").with_source(io);
        let error = TaskError::retryable(outer);
        assert_eq!(error.message, "can't save");
        assert_eq!(error.traceback.as_deref(), Some("caused by: no such disk"));
        assert_eq!(TaskError::fatal("plain text").error_type, "Error");
    }

    #[test]
    fn long_texts_are_truncated_to_8_kib_between_characters() {
        let long = "ä".repeat(20_000);
        let error = TaskError::retryable(long.clone())
            .with_traceback(long)
            .settled(Timestamp(1), 0);
        let stored = error.message.len() + error.traceback.as_ref().unwrap().len();
        assert!(stored <= MAX_STORED && stored > MAX_STORED / 2, "{stored}");
        assert!(error.message.ends_with("(cut)"));
    }
}
