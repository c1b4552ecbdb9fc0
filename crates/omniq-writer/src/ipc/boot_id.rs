//! The id of a boot of the machine, by which a process finds out whether the machine was rebooted since a file was written.

use std::fs;

/// The text of the id if the operating system has none (only Linux has).
const UNKNOWN: &str = "-";

/// The id of a boot of the machine, or that it is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootId(String);

impl BootId {
    /// Returns the id of the current boot.
    pub fn current() -> Self {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id");
        Self(id.map_or_else(|_| UNKNOWN.to_owned(), |id| id.trim().to_owned()))
    }

    /// Returns the id that a file has, as [`as_str`](Self::as_str) wrote it.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text for a file: one line, without white space.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both are the same boot; `None` if one of them is unknown.
    pub fn is_same_as(&self, other: &Self) -> Option<bool> {
        let known = self.0 != UNKNOWN && other.0 != UNKNOWN;
        known.then(|| self == other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_boots_are_neither_the_same_nor_different() {
        let [one, other, unknown] = ["one", "other", UNKNOWN].map(BootId::from_text);
        assert_eq!(one.is_same_as(&one), Some(true));
        assert_eq!(one.is_same_as(&other), Some(false));
        assert_eq!(one.is_same_as(&unknown), None);
        assert_eq!(unknown.is_same_as(&unknown), None);
        let current = BootId::current();
        assert!(!current.as_str().contains(char::is_whitespace));
        assert_ne!(current.is_same_as(&current), Some(false));
    }
}
