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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Final,
    Again(Option<Duration>),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Final => f.write_str("another attempt can't mend it"),
            Self::Again(None) => f.write_str("another attempt may mend it"),
            Self::Again(Some(wait)) => write!(f, "another attempt may mend it in {wait:?}"),
        }
    }
}

impl StdError for Verdict {}

/// What a chain of causes says of itself.
pub(crate) struct Found {
    pub(crate) is_retryable: bool,
    pub(crate) wait: Option<Duration>,
    pub(crate) error_type: Option<String>,
}

/// The outermost verdict counts. A settled error is none: it tells of another task, which this one waited for.
pub(crate) fn in_chain(error: &(dyn StdError + 'static)) -> Found {
    let mut link = Some(error);
    while let Some(error) = link {
        let own = error.downcast_ref::<TaskError>();
        if let Some(own) = own.filter(|own| own.source().is_some()) {
            return Found {
                is_retryable: own.is_retryable,
                wait: own.requested_wait(),
                error_type: Some(own.error_type.clone()),
            };
        }
        if let Some(verdict) = error.downcast_ref::<Verdict>() {
            return Found {
                is_retryable: *verdict != Verdict::Final,
                wait: match verdict {
                    Verdict::Again(wait) => *wait,
                    Verdict::Final => None,
                },
                error_type: None,
            };
        }
        link = error.source();
    }
    Found {
        is_retryable: true,
        wait: None,
        error_type: None,
    }
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
