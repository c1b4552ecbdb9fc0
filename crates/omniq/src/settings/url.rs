use std::fmt;

/// A URL. It may contain a password, which its debug output hides.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url(pub(crate) String);

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once(':').unwrap_or(("", &self.0));
        let is_file = matches!(scheme, "" | "sqlite" | "file" | "memory");
        match rest.rsplit_once('@') {
            // In the name of a file, `@` and `#` have no meaning; options after a `?` are refused elsewhere.
            _ if is_file => write!(f, "{:?}", self.0.split('?').next().unwrap_or_default()),
            Some((_, host)) => {
                let host = host.split(['?', '#']).next().unwrap_or_default();
                write!(f, "\"{scheme}://…@{host}\"")
            }
            None => write!(f, "\"{scheme}:…\""),
        }
    }
}
