//! The error of every operation.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::TaskError;
use crate::verdict::Verdict;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an error: kinds differ in what the caller can do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Invalid input: a setting, an option or an argument has a value that can't be used. Change it.
    Settings,
    /// The storage could not carry the operation out: see [`Error::is_retryable`] and [`Error::is_unknown`].
    Storage,
    /// A value can't be serialized or deserialized. Change the value or its type.
    Serialization,
    /// There is no task with this id.
    NotFound,
    /// Another task holds what this one needs, for example its unique key.
    Conflict,
    /// The task's status does not allow the operation.
    InvalidState,
    /// The task failed: see [`Error::task_error`].
    TaskFailed,
    /// The task was cancelled.
    TaskCancelled,
    /// The task did not finish within the given time.
    WaitTimeout,
    /// A blocking call was made on a thread that runs async tasks.
    InsideRuntime,
    /// The queue, pool or storage is closed.
    Closed,
}

/// The reason why an operation of OmniQ did not succeed.
///
/// The text says what is wrong and what to change. It does not repeat the text of its cause: that is
/// [`source`](StdError::source), with its concrete type, so that a `rusqlite::Error` or an `io::Error` can
/// be downcast. Formats that print the whole chain, such as `anyhow`'s `{:#}`, so print each text once.
/// `{:?}` prints the chain too.
///
/// A clone is cheap and shares the cause.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
    task_error: Option<TaskError>,
    retryable: bool,
    unknown: bool,
}

impl Error {
    /// Returns an error of this kind. The text should say what is wrong and what to change.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            source: None,
            task_error: None,
            retryable: false,
            unknown: false,
        }))
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.with_shared_source(Arc::from(source.into()))
    }

    /// Adds a cause that other errors share.
    #[must_use]
    pub fn with_shared_source(mut self, source: Arc<dyn StdError + Send + Sync>) -> Self {
        self.0.source = Some(source);
        self
    }

    /// Adds the error that the task ended with.
    #[must_use]
    pub fn with_task_error(mut self, error: TaskError) -> Self {
        self.0.task_error = Some(error);
        self
    }

    /// Puts a text in front of the error's own text.
    #[must_use]
    pub(crate) fn prefixed(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// Marks the error as retryable: nothing was changed, and the same call may succeed later.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }

    /// Marks it as *unknown, not no*: the write may or may not have happened. It is then not
    /// [retryable](Self::retryable): that would say that nothing was changed.
    #[must_use]
    pub fn unknown(mut self) -> Self {
        self.0.unknown = true;
        self.0.retryable = false;
        self
    }

    /// Returns the kind, for a `match`.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the error that the task itself ended with, if the kind is [`ErrorKind::TaskFailed`].
    pub fn task_error(&self) -> Option<&TaskError> {
        self.0.task_error.as_ref()
    }

    /// Returns whether nothing was changed and the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// Returns whether the write may have happened nevertheless, because its commit failed partially. Check
    /// before you retry, or enqueue with a unique key.
    pub fn is_unknown(&self) -> bool {
        self.0.unknown
    }

    /// Returns the text of this error and of all its causes, joined with ": ", for a line of a log.
    pub fn chain(&self) -> impl fmt::Display + '_ {
        Chain(self)
    }

    /// Returns whether the kind is [`ErrorKind::NotFound`].
    pub fn is_not_found(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }

    /// Returns whether the kind is [`ErrorKind::Conflict`].
    pub fn is_conflict(&self) -> bool {
        self.0.kind == ErrorKind::Conflict
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

/// The most causes that are printed, because a chain of errors of other crates may be endless.
const MAX_CAUSES: usize = 64;

/// Returns the causes of an error, without the verdict that a task error may carry: it is no text for readers.
fn causes(error: &Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(StdError::source(error), |cause| (*cause).source())
        .take(MAX_CAUSES)
        .filter(|cause| !cause.is::<Verdict>())
}

struct Chain<'a>(&'a Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.0, f)?;
        causes(self.0).try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)?;
        causes(self).try_for_each(|cause| write!(f, "\n  caused by: {cause}"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<Error> for TaskError {
    /// Converts an error of the queue, for `?` in handlers that use it: retryable, unless the same call can
    /// never succeed. The message is the text of the error with its causes.
    fn from(error: Error) -> Self {
        let is_fatal = matches!(error.kind(), ErrorKind::Settings | ErrorKind::Serialization);
        let message = error.chain().to_string();
        let mut converted = Self::retryable(error).with_retryable(!is_fatal);
        converted.message = message;
        converted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_keeps_its_type_and_is_shared_by_clones() {
        let cause = std::fmt::Error;
        let error = Error::new(ErrorKind::Storage, "nothing was changed").with_source(cause);
        let clone = error.clone();
        drop(error);
        let source = StdError::source(&clone).unwrap();
        assert!(source.downcast_ref::<std::fmt::Error>().is_some());
    }

    #[test]
    fn chain_is_one_line_with_each_text_once() {
        let inner = Error::new(ErrorKind::Storage, "the disk is full");
        let outer = Error::new(ErrorKind::Closed, "the pool ended").with_source(inner);
        assert_eq!(
            outer.chain().to_string(),
            "the pool ended: the disk is full"
        );
    }

    #[test]
    fn debug_prints_the_whole_chain() {
        let inner = Error::new(ErrorKind::Storage, "the disk is full").retryable();
        let outer = Error::new(ErrorKind::Closed, "the pool ended").with_source(inner);
        assert_eq!(
            format!("{outer:?}"),
            "Closed: the pool ended\n  caused by: the disk is full"
        );
        assert_eq!(outer.to_string(), "the pool ended");
        assert!(!outer.is_retryable() && !outer.is_unknown() && !outer.is_not_found());
    }
}
