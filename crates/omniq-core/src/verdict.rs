//! Whether another attempt may help, said where the error happens and found again wherever it ends up.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::TaskError;

/// Says of any error whether another attempt may mend it.
///
/// ```
/// use omniq_core::{ResultExt as _, TaskError};
///
/// fn read(text: &str) -> Result<u8, TaskError> {
///     // What is no number today will be none tomorrow.
///     let number = text.parse::<u8>().fatal()?;
///     std::fs::metadata("/proc/self").retryable()?;
///     Ok(number)
/// }
/// assert!(!read("x").unwrap_err().is_retryable);
/// ```
///
/// The verdict survives `?` into `anyhow::Error` and `Box<dyn Error + Send + Sync>`, with context on top.
pub trait ResultExt<T> {
    /// An error becomes one that another attempt can't mend: remaining attempts are skipped.
    fn fatal(self) -> Result<T, TaskError>;

    /// An error becomes one that another attempt may mend, whatever was said of it before.
    fn retryable(self) -> Result<T, TaskError>;
}

impl<T, E> ResultExt<T> for Result<T, E>
where
    E: Into<Box<dyn StdError + Send + Sync>> + 'static,
{
    fn fatal(self) -> Result<T, TaskError> {
        self.map_err(|e| TaskError::from_error(e).with_retryable(false))
    }

    fn retryable(self) -> Result<T, TaskError> {
        self.map_err(|e| TaskError::from_error(e).with_retryable(true))
    }
}

/// The last link in the chain of a [`TaskError`]. Some wrappers show no other part of what they hold.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) is_retryable: bool,
    pub(crate) wait: Option<Duration>,
    /// What else the error says.
    pub(crate) words: Option<Box<Words>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Words {
    pub(crate) error_type: String,
    pub(crate) message: String,
    pub(crate) traceback: Option<String>,
}

impl Verdict {
    /// One without words.
    pub(crate) const fn plain(is_retryable: bool) -> Self {
        Self {
            is_retryable,
            wait: None,
            words: None,
        }
    }

    /// What an error says of itself.
    pub(crate) fn of(error: &TaskError, wait: Option<Duration>) -> Self {
        let words = Words {
            error_type: error.error_type.clone(),
            message: error.message.clone(),
            traceback: error.traceback.clone(),
        };
        Self {
            is_retryable: error.is_retryable,
            wait: wait.filter(|_| error.is_retryable),
            words: Some(Box::new(words)),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_retryable, self.wait) {
            (false, _) => f.write_str("another attempt can't mend it"),
            (true, None) => f.write_str("another attempt may mend it"),
            (true, Some(wait)) => write!(f, "another attempt may mend it in {wait:?}"),
        }
    }
}

impl StdError for Verdict {}

/// An error and its causes, from the outermost; only so many, since a chain may be endless by mistake.
pub(crate) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    const LONGEST: usize = 64;
    let mut link = Some(error);
    let links = std::iter::from_fn(move || {
        let error = link?;
        link = error.source();
        Some(error)
    });
    links.take(LONGEST)
}

/// What an error and its causes say. The outermost verdict counts. A settled error is none: it tells of another
/// task, which this one waited for.
pub(crate) fn in_chain(error: &(dyn StdError + 'static)) -> Option<Verdict> {
    chain(error).find_map(|error| {
        let own = error.downcast_ref::<TaskError>();
        let fresh = own.filter(|own| own.source().is_some());
        fresh
            .map(|own| Verdict::of(own, own.requested_wait()))
            .or_else(|| error.downcast_ref::<Verdict>().cloned())
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    type Boxed = Box<dyn StdError + Send + Sync>;

    /// As wrappers do that hide what they hold: only its text and its causes can be seen.
    #[derive(Debug)]
    struct Opaque(TaskError);

    impl fmt::Display for Opaque {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }

    impl StdError for Opaque {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.0.source()
        }
    }

    /// As wrappers do that add a text.
    #[derive(Debug)]
    struct Context(Boxed);

    impl fmt::Display for Context {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("while saving")
        }
    }

    impl StdError for Context {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&*self.0)
        }
    }

    fn context(error: impl Into<Boxed>) -> Context {
        Context(error.into())
    }

    #[test]
    fn a_verdict_is_found_wherever_it_ends_up() {
        let fatal = || "x".parse::<u8>().fatal().unwrap_err();
        let again = || TaskError::retry_after(Duration::from_secs(9));
        for error in [
            TaskError::from_error(fatal()),
            TaskError::from_error(Boxed::from(fatal())),
            TaskError::from_error(context(context(fatal()))),
        ] {
            assert!(!error.is_retryable);
            assert_eq!(error.error_type, "ParseIntError");
        }
        assert!(!TaskError::from_error(context(Opaque(fatal()))).is_retryable);
        assert!(!TaskError::from_error(io::Error::other(fatal())).is_retryable);
        for error in [
            TaskError::from_error(context(again())),
            TaskError::from_error(context(Opaque(again()))),
        ] {
            assert!(error.is_retryable);
            assert_eq!(error.requested_wait(), Some(Duration::from_secs(9)));
        }
        let plain = TaskError::from_error(context("no space"));
        assert!(plain.is_retryable);
    }

    #[test]
    fn nothing_is_lost_under_a_wrapper_that_hides_it() {
        let first = Err::<(), _>(context(io::Error::other("no disk"))).fatal();
        let first = first.unwrap_err();
        assert_eq!(TaskError::from_error(Opaque(first.clone())), first);
        let later = TaskError::from_error(context(Opaque(first)));
        assert_eq!(
            (later.error_type.as_str(), later.message.as_str()),
            ("Context", "while saving")
        );
        let causes = "caused by: Context: while saving\ncaused by: no disk";
        assert_eq!(later.traceback.as_deref(), Some(causes));
    }

    /// Its own cause, by mistake.
    #[derive(Debug)]
    struct Endless;

    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("again")
        }
    }

    impl StdError for Endless {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(self)
        }
    }

    #[test]
    fn an_endless_chain_has_an_end() {
        let error = TaskError::from_error(Endless);
        assert_eq!(error.traceback.unwrap_or_default().lines().count(), 63);
    }

    #[test]
    fn the_last_word_is_the_outermost() {
        let mended = Err::<(), _>(TaskError::fatal("x")).retryable();
        assert!(mended.unwrap_err().is_retryable);
        let given_up =
            Err::<(), _>(context(TaskError::retry_after(Duration::from_secs(9)))).fatal();
        let error = given_up.unwrap_err();
        assert!(!error.is_retryable);
        assert_eq!(error.requested_wait(), None);
    }

    #[test]
    fn the_failure_of_another_task_is_no_verdict() {
        let theirs = TaskError::fatal("x").settled(crate::Timestamp(1), 0);
        assert!(TaskError::from_error(context(theirs)).is_retryable);
    }

    #[test]
    fn causes_are_kept_and_verdicts_are_not_among_them() {
        let error = TaskError::from_error(context(Opaque(TaskError::fatal("no disk"))));
        assert_eq!(error.message, "while saving");
        assert_eq!(
            error.traceback.as_deref(),
            Some("caused by: Error: no disk")
        );
    }
}
