//! The verdict on whether another attempt may help, as a link in a chain of errors.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// The last link in the chain of a [`TaskError`](crate::TaskError). Some wrappers show nothing of the error
/// that they hold except its text and its chain.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) is_retryable: bool,
    pub(crate) wait: Option<Duration>,
    /// The texts of the error, for wrappers that hide it.
    pub(crate) texts: Option<Box<Texts>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Texts {
    pub(crate) error_type: String,
    pub(crate) message: String,
    pub(crate) traceback: Option<String>,
}

impl Verdict {
    /// Returns a verdict without texts.
    pub(crate) const fn without_texts(is_retryable: bool) -> Self {
        Self {
            is_retryable,
            wait: None,
            texts: None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_retryable, self.wait) {
            (false, _) => f.write_str("another attempt can't help"),
            (true, None) => f.write_str("another attempt may help"),
            (true, Some(wait)) => write!(f, "another attempt may help in {wait:?}"),
        }
    }
}

impl StdError for Verdict {}

/// Returns an error and its causes, the outermost first. Their number is limited, since a faulty chain may be
/// endless.
pub(crate) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    const MAX_LINKS: usize = 64;
    let mut link = Some(error);
    let links = std::iter::from_fn(move || {
        let error = link?;
        link = error.source();
        Some(error)
    });
    links.take(MAX_LINKS)
}
