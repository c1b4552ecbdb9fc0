//! The SQLite drivers whose transactions the shop application uses.

use std::str::FromStr;

/// The SQLite driver whose transactions the application uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// Transactions of rusqlite.
    Rusqlite,
    /// Transactions of sqlx.
    Sqlx,
}

impl Driver {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Rusqlite => "rusqlite",
            Self::Sqlx => "sqlx",
        }
    }
}

impl FromStr for Driver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Rusqlite, Self::Sqlx];
        let found = all.into_iter().find(|driver| driver.as_str() == text);
        found.ok_or_else(|| format!("unknown driver {text:?}: expected rusqlite or sqlx"))
    }
}
