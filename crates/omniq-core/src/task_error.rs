use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Timestamp};

/// The most that is kept of one error's text and of its traceback together, in bytes.
const MAX_TEXT: usize = 8 * 1024;

/// How one attempt of a task failed. Exactly these six fields on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl TaskError {
    /// A failure that another attempt can't mend: remaining attempts are skipped.
    pub fn fatal<E: Into<Box<dyn StdError + Send + Sync>>>(error: E) -> Self {
        Self::from_error(error, false)
    }

    /// A failure that another attempt may mend.
    pub fn retryable<E: Into<Box<dyn StdError + Send + Sync>>>(error: E) -> Self {
        Self::from_error(error, true)
    }

    /// A retryable failure whose next attempt comes after `wait` (at the earliest), whatever the
    /// task's backoff says: for a server's "try again in 30 seconds".
    pub fn retry_after(wait: Duration) -> Self {
        let mut error = Self::new(
            "retry_after",
            format!("asked to be tried again in {wait:?}"),
        );
        error.retry_after = Some(wait);
        error
    }

    /// A retryable failure of a type, with a text.
    pub fn new(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            error_type: error_type.into(),
            message: message.into(),
            timestamp: Timestamp(0),
            traceback: None,
            retry_count: 0,
            is_retryable: true,
            retry_after: None,
        }
    }

    fn from_error<E: Into<Box<dyn StdError + Send + Sync>>>(error: E, is_retryable: bool) -> Self {
        let error_type = short_type_name(std::any::type_name::<E>());
        let error = error.into();
        let mut causes = Vec::new();
        let mut cause = error.source();
        while let Some(error) = cause {
            causes.push(format!("caused by: {error}"));
            cause = error.source();
        }
        Self {
            traceback: (!causes.is_empty()).then(|| causes.join("\n")),
            is_retryable,
            ..Self::new(error_type, error.to_string())
        }
    }

    /// With another verdict on whether an attempt may help.
    #[must_use]
    pub fn with_retryable(mut self, is_retryable: bool) -> Self {
        self.is_retryable = is_retryable;
        self
    }

    /// With the chain of causes, or the place where it happened.
    #[must_use]
    pub fn with_traceback(mut self, traceback: impl Into<String>) -> Self {
        self.traceback = Some(traceback.into());
        self
    }

    /// The wait that the handler itself asked for.
    pub fn requested_wait(&self) -> Option<Duration> {
        self.retry_after
    }

    /// As it is kept: stamped, numbered and cut to 8 KiB.
    pub(crate) fn settled(mut self, now: Timestamp, retry_count: u32) -> Self {
        self.timestamp = now;
        self.retry_after = None;
        self.retry_count = retry_count;
        cut(&mut self.error_type, MAX_TEXT / 8);
        cut(&mut self.message, MAX_TEXT / 2);
        if let Some(traceback) = &mut self.traceback {
            cut(traceback, MAX_TEXT * 3 / 8);
        }
        self
    }
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

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type, self.message)
    }
}

impl StdError for TaskError {}

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
