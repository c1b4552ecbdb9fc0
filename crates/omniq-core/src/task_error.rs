use std::any::{Any, type_name};
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::verdict::{self, Verdict};
use crate::{Error, ErrorKind, Timestamp};

/// The most that is kept of one error's text and of its traceback together, in bytes.
const MAX_TEXT: usize = 8 * 1024;

/// How one attempt of a task failed. Exactly these six fields on the wire; two with the same six are equal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskError {
    /// What failed, in one word: the last segment of the error's type, or one of OmniQ's own
    /// `timeout`, `panic`, `crash`, `payload`, `result`.
    pub error_type: String,
    /// The error's text.
    pub message: String,
    /// When the failure was recorded. Filled in when the attempt is settled; zero before.
    pub timestamp: Timestamp,
    /// The chain of causes, one a line, and where it happened, where that is known.
    pub traceback: Option<String>,
    /// How many attempts came before this one.
    pub retry_count: u32,
    /// Whether another attempt may help.
    pub is_retryable: bool,
    /// Until it is settled, so that it can be found in a chain of causes.
    #[serde(skip)]
    verdict: Option<Verdict>,
}

impl TaskError {
    /// A failure that another attempt can't mend: remaining attempts are skipped.
    pub fn fatal<E: Into<Box<dyn StdError + Send + Sync>>>(error: E) -> Self {
        Self::of(type_name::<E>(), error.into()).with_retryable(false)
    }

    /// A failure that another attempt may mend.
    pub fn retryable<E: Into<Box<dyn StdError + Send + Sync>>>(error: E) -> Self {
        Self::of(type_name::<E>(), error.into()).with_retryable(true)
    }

    /// What a handler's error means. A verdict ([`fatal`](Self::fatal), [`retryable`](Self::retryable),
    /// [`retry_after`](Self::retry_after)) that is found in its chain of causes holds, whatever was put on
    /// top of it; without one the failure is retryable.
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
        let mut kept = Self::of(type_name::<E>(), error.into());
        let lines = kept.traceback.take().into_iter().chain(backtrace);
        kept.caused_by(lines.collect())
    }

    /// A retryable failure whose next attempt comes after `wait` (at the earliest), whatever the
    /// task's backoff says: for a server's "try again in 30 seconds".
    pub fn retry_after(wait: Duration) -> Self {
        let text = format!("asked to be tried again in {wait:?}");
        Self::new("retry_after", text).sealed(Some(wait))
    }

    /// A retryable failure of a type, with a text.
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
        error.sealed(None)
    }

    fn of(type_name: &str, error: Box<dyn StdError + Send + Sync>) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(own) => return *own,
            Err(other) => other,
        };
        let Some(found) = verdict::in_chain(&*error) else {
            return Self::new(short_type_name(type_name), error.to_string())
                .caused_by(causes(&*error));
        };
        let Some(words) = found.words else {
            return Self::new(short_type_name(type_name), error.to_string())
                .caused_by(causes(&*error))
                .with_retryable(found.is_retryable)
                .sealed(found.wait);
        };
        let (mut message, mut lines) = (error.to_string(), causes(&*error));
        // A wrapper that says what it holds adds nothing.
        if message == spoken(&words.error_type, &words.message) {
            message = words.message;
        }
        lines.extend(words.traceback);
        Self::new(words.error_type, message)
            .caused_by(lines)
            .with_retryable(found.is_retryable)
            .sealed(found.wait)
    }

    fn caused_by(self, lines: Vec<String>) -> Self {
        match lines.is_empty() {
            true => self,
            false => self.with_traceback(lines.join("\n")),
        }
    }

    /// As it is now, to be found in a chain of causes.
    fn sealed(mut self, wait: Option<Duration>) -> Self {
        self.verdict = Some(Verdict::of(&self, wait));
        self
    }

    /// With another verdict on whether an attempt may help.
    #[must_use]
    pub fn with_retryable(mut self, is_retryable: bool) -> Self {
        self.is_retryable = is_retryable;
        let wait = self.requested_wait();
        self.sealed(wait)
    }

    /// With the chain of causes, or the place where it happened.
    #[must_use]
    pub fn with_traceback(mut self, traceback: impl Into<String>) -> Self {
        self.traceback = Some(traceback.into());
        let wait = self.requested_wait();
        self.sealed(wait)
    }

    /// The text and the texts of its causes, in one line: `can't save: the disk is full`.
    pub fn with_causes(&self) -> String {
        let lines = self.traceback.iter().flat_map(|text| text.lines());
        let causes = lines.filter_map(|line| line.strip_prefix("caused by: "));
        causes.fold(self.message.clone(), |mut text, cause| {
            text.push_str(": ");
            text.push_str(cause);
            text
        })
    }

    /// The wait that the handler itself asked for.
    pub fn requested_wait(&self) -> Option<Duration> {
        self.verdict.as_ref()?.wait.filter(|_| self.is_retryable)
    }

    /// As it is kept: stamped, numbered and cut to 8 KiB.
    pub(crate) fn settled(mut self, now: Timestamp, retry_count: u32) -> Self {
        self.timestamp = now;
        self.verdict = None;
        self.retry_count = retry_count;
        cut(&mut self.error_type, MAX_TEXT / 8);
        cut(&mut self.message, MAX_TEXT / 2);
        if let Some(traceback) = &mut self.traceback {
            cut(traceback, MAX_TEXT * 3 / 8);
        }
        self
    }
}

/// One line for each cause.
fn causes(error: &(dyn StdError + 'static)) -> Vec<String> {
    verdict::chain(error)
        .skip(1)
        .take_while(|error| !error.is::<Verdict>())
        .map(|error| format!("caused by: {error}"))
        .collect()
}

fn spoken(error_type: &str, message: &str) -> String {
    format!("{error_type}: {message}")
}

/// The backtrace, where the error's type is known to keep one.
#[cfg(feature = "anyhow")]
fn backtrace_of(error: &dyn Any) -> Option<String> {
    use std::backtrace::BacktraceStatus::Captured;
    let backtrace = error.downcast_ref::<anyhow::Error>()?.backtrace();
    (backtrace.status() == Captured).then(|| backtrace.to_string())
}

#[cfg(not(feature = "anyhow"))]
fn backtrace_of(_: &dyn Any) -> Option<String> {
    None
}

/// `alloc::vec::Vec<my::Thing>` → `Vec`; plain texts and boxes have no telling type.
fn short_type_name(full: &str) -> String {
    let outer = full.split('<').next().unwrap_or(full);
    let last = outer.rsplit("::").next().unwrap_or(outer);
    match last {
        "&str" | "str" | "String" | "Box" | "Cow" => "Error".to_owned(),
        other => other.trim_start_matches('&').to_owned(),
    }
}

fn cut(text: &mut String, max: usize) {
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
        f.write_str(&spoken(&self.error_type, &self.message))
    }
}

impl StdError for TaskError {
    /// The verdict, until the failure is settled: wrappers that hide the error itself still pass this on.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        static AGAIN: Verdict = Verdict::plain(true);
        static FINAL: Verdict = Verdict::plain(false);
        let verdict = self.verdict.as_ref()?;
        // The field is public, and may have been set since.
        Some(match self.is_retryable {
            same if same == verdict.is_retryable => verdict,
            true => &AGAIN,
            false => &FINAL,
        })
    }
}

impl From<Error> for TaskError {
    /// For `?` in a handler that uses the queue itself: retryable, unless the call can never succeed.
    fn from(error: Error) -> Self {
        let hopeless = matches!(error.kind(), ErrorKind::Settings | ErrorKind::Serialization);
        Self::retryable(error).with_retryable(!hopeless)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_fields_on_the_wire() {
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
    fn the_type_is_the_last_segment_and_the_chain_is_kept() {
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
    fn long_texts_are_cut_to_8_kib_at_a_character() {
        let long = "ä".repeat(20_000);
        let error = TaskError::retryable(long.clone())
            .with_traceback(long)
            .settled(Timestamp(1), 0);
        let kept = error.message.len() + error.traceback.as_ref().unwrap().len();
        assert!(kept <= MAX_TEXT && kept > MAX_TEXT / 2, "{kept}");
        assert!(error.message.ends_with("(cut)"));
    }
}
