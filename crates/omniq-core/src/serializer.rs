//! The format in which arguments and results are written.

use serde::{Deserialize, Serialize};

use crate::Format;

/// The format in which arguments and results are written. Each is read in the format that is stored with it,
/// so older tasks stay readable when this setting changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Serializer {
    /// JSON text: readable for people and for every language. Bytes become a list of numbers.
    #[default]
    #[serde(alias = "msgspec")]
    Json,
    /// MessagePack: smaller, and it can represent bytes and every float. It needs the cargo feature `msgpack`,
    /// here and in each worker that runs such tasks.
    Msgpack,
}

impl Serializer {
    /// Returns the format that it writes.
    pub const fn format(self) -> Format {
        match self {
            Self::Json => Format::Json,
            Self::Msgpack => Format::Msgpack,
        }
    }

    /// Returns whether this build can write it.
    pub fn is_built_in(self) -> bool {
        Format::READABLE.contains(&self.format())
    }
}
