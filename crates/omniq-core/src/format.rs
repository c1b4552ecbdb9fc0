//! The formats that payloads are written in.

use serde::{Deserialize, Serialize};

/// The format of a payload's bytes. It is stored beside them and never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// JSON text.
    Json,
    /// MessagePack.
    Msgpack,
    /// Python's pickle. It is passed through and never decoded here.
    Pickle,
    /// Bytes that only the handler understands. They are passed through and never decoded here.
    Raw,
}

impl Format {
    /// Every format, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::Json, Self::Msgpack, Self::Pickle, Self::Raw];

    /// The formats that this build reads and writes.
    pub const READABLE: &'static [Self] = if cfg!(feature = "msgpack") {
        &[Self::Json, Self::Msgpack]
    } else {
        &[Self::Json]
    };

    /// Returns the name in serialized form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Msgpack => "msgpack",
            Self::Pickle => "pickle",
            Self::Raw => "raw",
        }
    }

    /// Returns the number that storages write.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the format with this number; `None` for an unknown number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}
