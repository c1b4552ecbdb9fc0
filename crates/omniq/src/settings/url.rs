use std::fmt;

/// A URL, which may hold a password: it is never shown with it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url(pub(crate) String);

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.0.split(['?', '#']).next().unwrap_or_default();
        match url.split_once("://") {
            Some((scheme, rest)) => match rest.rsplit_once('@') {
                Some((_, host)) => write!(f, "\"{scheme}://…@{host}\""),
                None => write!(f, "{url:?}"),
            },
            None => write!(f, "{url:?}"),
        }
    }
}
