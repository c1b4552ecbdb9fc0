use serde::{Deserialize, Serialize};

use crate::Format;

/// How arguments and results are written. They are read by the format that is stored with them, so that a
/// change of this setting leaves older tasks readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Serializer {
    /// JSON text: readable for people and for every language. Bytes become a list of numbers.
    #[default]
    #[serde(alias = "msgspec")]
    Json,
    /// MessagePack: smaller, keeps bytes and every float. Needs the cargo feature `msgpack`, here and in
    /// each worker that is to run such tasks.
    Msgpack,
}

impl Serializer {
    /// The format that it writes.
    pub const fn format(self) -> Format {
        match self {
            Self::Json => Format::Json,
            Self::Msgpack => Format::Msgpack,
        }
    }

    /// Whether this build can write it.
    pub fn is_built_in(self) -> bool {
        Format::READABLE.contains(&self.format())
    }
}
