//! How arguments and results are written: bytes, and the format that says how to read them.
//!
//! A task's payload holds its positional and its named arguments together:
//! `{"args":["cat.png"],"kwargs":{"width":640}}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{Args, Error, ErrorKind, Result, lossless};

/// How the bytes of a payload are to be read. It is stored, never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// JSON text.
    Json,
    /// MessagePack.
    Msgpack,
    /// Python's pickle: carried, never decoded here.
    Pickle,
    /// Bytes that mean something to the handler only: carried, never decoded here.
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

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Msgpack => "msgpack",
            Self::Pickle => "pickle",
            Self::Raw => "raw",
        }
    }

    /// The number that storages keep.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The format of a number that a storage kept.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// Bytes and their format.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Payload {
    /// How to read the bytes.
    pub format: Format,
    /// What was written.
    pub bytes: Vec<u8>,
}

impl Payload {
    /// Bytes that are already in `format`.
    pub fn new(format: Format, bytes: Vec<u8>) -> Self {
        Self { format, bytes }
    }

    /// Writes a value. What would not come back as it is gets refused: in JSON, floats that are not finite;
    /// integers of more than 64 bits; more than 100 levels of nesting. What both formats can't tell apart
    /// from `None` (`Some(None)`, `Some(())`) comes back as `None`.
    pub fn encode<T: Serialize + ?Sized>(format: Format, value: &T) -> Result<Self> {
        lossless::check(value, format)
            .map_err(|e| Error::new(ErrorKind::Serialization, e.to_string()).with_source(e))?;
        let bytes = match format {
            Format::Json => encode_json(value)?,
            #[cfg(feature = "msgpack")]
            Format::Msgpack => crate::msgpack::encode(value)?,
            other => return Err(unreadable(other)),
        };
        Ok(Self { format, bytes })
    }

    /// Reads a value.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        match self.format {
            Format::Json => serde_json::from_slice(&self.bytes).map_err(|e| {
                let wanted = std::any::type_name::<T>();
                Error::new(
                    ErrorKind::Serialization,
                    format!("these bytes are no {wanted}: {e}"),
                )
                .with_source(e)
            }),
            #[cfg(feature = "msgpack")]
            Format::Msgpack => crate::msgpack::decode(&self.bytes),
            other => Err(unreadable(other)),
        }
    }

    /// Reads the arguments of a call as JSON values. In MessagePack, bytes become a list of numbers; what
    /// JSON has no place for is an error: [`bind`](Self::bind) reads everything.
    pub fn decode_args(&self) -> Result<Args> {
        match self.format {
            #[cfg(feature = "msgpack")]
            Format::Msgpack => {
                crate::msgpack::decode::<crate::msgpack::Call>(&self.bytes)?.into_args()
            }
            _ => self.decode(),
        }
    }
}

fn encode_json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| {
        Error::new(
            ErrorKind::Serialization,
            format!("JSON can't hold this value: {e}"),
        )
        .with_source(e)
    })
}

fn unreadable(format: Format) -> Error {
    let name = format.as_str();
    let hint = match format {
        Format::Msgpack => "add the feature \"msgpack\" to omniq in Cargo.toml",
        _ => "use \"json\" or \"msgpack\"",
    };
    let text = format!("the format {name:?} is carried, but not read or written here: {hint}");
    Error::new(ErrorKind::Serialization, text)
}

/// The wire form: JSON stands as it is, other bytes as base64, and so does what is called JSON but is none.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    format: Format,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// The bytes, if they are JSON from the first to the last.
fn as_json(bytes: &[u8]) -> Option<&RawValue> {
    let value: &RawValue = serde_json::from_slice(bytes).ok()?;
    (value.get().len() == bytes.len()).then_some(value)
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut wire = Wire {
            format: self.format,
            data: None,
            base64: None,
        };
        let json = (self.format == Format::Json).then(|| as_json(&self.bytes));
        match json.flatten() {
            Some(data) => wire.data = Some(data),
            None => wire.base64 = Some(BASE64.encode(&self.bytes)),
        }
        wire.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Owned {
            format: Format,
            #[serde(default, deserialize_with = "even_null")]
            data: Option<Box<RawValue>>,
            base64: Option<String>,
        }
        let wire = Owned::deserialize(deserializer)?;
        let bytes = match (wire.data, wire.base64) {
            (Some(data), None) => data.get().as_bytes().to_vec(),
            (None, Some(text)) => BASE64.decode(text).map_err(D::Error::custom)?,
            _ => return Err(D::Error::custom("a payload has either `data` or `base64`")),
        };
        Ok(Self {
            format: wire.format,
            bytes,
        })
    }
}

/// A `null` is a value like any other.
fn even_null<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_form_shows_json_as_json_and_keeps_every_byte() {
        let json = Payload::new(Format::Json, br#"{"args":[18446744073709551615]}"#.to_vec());
        let text = serde_json::to_string(&json).unwrap();
        assert_eq!(
            text,
            r#"{"format":"json","data":{"args":[18446744073709551615]}}"#
        );
        let raw = Payload::new(Format::Raw, vec![0, 255, 10]);
        let none = Payload::new(Format::Json, vec![0, 255]);
        let null = Payload::new(Format::Json, b"null".to_vec());
        let spaced = Payload::new(Format::Json, b" 1\n".to_vec());
        for payload in [json, raw, none, null, spaced] {
            let text = serde_json::to_string(&payload).unwrap();
            assert_eq!(serde_json::from_str::<Payload>(&text).unwrap(), payload);
        }
    }

    #[test]
    fn opaque_formats_are_carried_but_not_decoded() {
        let pickle = Payload::new(Format::Pickle, vec![0x80, 4]);
        let error = pickle.decode::<u8>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Serialization);
        assert!(error.to_string().contains("pickle"), "{error}");
        assert!(Payload::encode(Format::Raw, &1).is_err());
    }

    #[test]
    fn every_finite_float_comes_back_as_it_was() {
        // A multiplicative walk over the bits, so that all exponents turn up.
        let mut bits = 1_u64;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let float = f64::from_bits(bits);
            if float.is_finite() {
                let payload = Payload::encode(Format::Json, &float).unwrap();
                let back: f64 = payload.decode().unwrap();
                assert_eq!(back.to_bits(), float.to_bits(), "{float:e}");
                let value: serde_json::Value = payload.decode().unwrap();
                assert_eq!(
                    value.as_f64().map(f64::to_bits),
                    Some(float.to_bits()),
                    "{float:e}"
                );
            }
        }
    }

    #[test]
    fn a_wrong_type_is_named() {
        let error = Payload::encode(Format::Json, "text")
            .unwrap()
            .decode::<u32>()
            .unwrap_err();
        assert!(error.to_string().contains("u32"), "{error}");
    }
}
