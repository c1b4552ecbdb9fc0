//! Writes and reads arguments and results: bytes, and the format in which to read them.
//!
//! A task's payload holds its positional and its named arguments together:
//! `{"args":["cat.png"],"kwargs":{"width":640}}`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

pub use crate::format::Format;
use crate::{Args, Error, ErrorKind, Result, lossless};

/// Bytes and their format.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Payload {
    /// How to read the bytes.
    pub format: Format,
    /// The serialized value.
    pub bytes: Vec<u8>,
}

impl Payload {
    /// Returns a payload of bytes that are already in `format`.
    pub fn new(format: Format, bytes: Vec<u8>) -> Self {
        Self { format, bytes }
    }

    /// Serializes a value. `Some(None)` and `Some(())` are read back as `None`, because neither format can
    /// distinguish them.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Serialization`], if this build can't write the format, or if the value would not
    /// be read back unchanged: floats that are not finite (in JSON), integers of more than 64 bits, and more
    /// than 100 levels of nesting.
    pub fn encode<T: Serialize + ?Sized>(format: Format, value: &T) -> Result<Self> {
        lossless::check(value, format)
            .map_err(|e| Error::new(ErrorKind::Serialization, e.to_string()))?;
        let bytes = match format {
            Format::Json => encode_json(value)?,
            #[cfg(feature = "msgpack")]
            Format::Msgpack => crate::msgpack::encode(value)?,
            other => return Err(unreadable(other)),
        };
        Ok(Self { format, bytes })
    }

    /// Deserializes a value.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Serialization`], if the bytes are not a `T`, or if this build can't read the
    /// format.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        match self.format {
            Format::Json => serde_json::from_slice(&self.bytes).map_err(|e| {
                let text = format!("these bytes are not a {}", std::any::type_name::<T>());
                Error::new(ErrorKind::Serialization, text).with_source(e)
            }),
            #[cfg(feature = "msgpack")]
            Format::Msgpack => crate::msgpack::decode(&self.bytes),
            other => Err(unreadable(other)),
        }
    }

    /// Reads the arguments of a call as JSON values. Bytes in MessagePack become a list of numbers.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Serialization`], if the bytes are not a call, or contain a value that JSON does
    /// not have. [`bind`](Self::bind) can read such values.
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
        Error::new(ErrorKind::Serialization, "JSON can't hold this value").with_source(e)
    })
}

fn unreadable(format: Format) -> Error {
    let name = format.as_str();
    let hint = match format {
        Format::Msgpack => "add the feature \"msgpack\" to omniq in Cargo.toml",
        _ => "use \"json\" or \"msgpack\"",
    };
    let text =
        format!("the format {name:?} is passed through, but not read or written here: {hint}");
    Error::new(ErrorKind::Serialization, text)
}

/// The serialized form: JSON is embedded as it is. Other bytes are base64, and so are bytes in the format JSON
/// that are not valid JSON.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    format: Format,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

/// Returns the bytes if all of them are one JSON value.
fn as_json(bytes: &[u8]) -> Option<&RawValue> {
    let value: &RawValue = serde_json::from_slice(bytes).ok()?;
    if value.get().len() != bytes.len() {
        return None;
    }
    Some(value)
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut wire = Wire {
            format: self.format,
            data: None,
            base64: None,
        };
        let json = match self.format {
            Format::Json => as_json(&self.bytes),
            _ => None,
        };
        match json {
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
            #[serde(default, deserialize_with = "null_is_a_value")]
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

/// Reads `null` as a value, and not as a missing field.
fn null_is_a_value<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serialized_form_embeds_json_and_keeps_every_byte() {
        let json = Payload::new(Format::Json, br#"{"args":[18446744073709551615]}"#.to_vec());
        let text = serde_json::to_string(&json).unwrap();
        assert_eq!(
            text,
            r#"{"format":"json","data":{"args":[18446744073709551615]}}"#
        );
        let raw = Payload::new(Format::Raw, vec![0, 255, 10]);
        let invalid = Payload::new(Format::Json, vec![0, 255]);
        let null = Payload::new(Format::Json, b"null".to_vec());
        let spaced = Payload::new(Format::Json, b" 1\n".to_vec());
        for payload in [json, raw, invalid, null, spaced] {
            let text = serde_json::to_string(&payload).unwrap();
            assert_eq!(serde_json::from_str::<Payload>(&text).unwrap(), payload);
        }
    }

    #[test]
    fn opaque_formats_are_passed_through_and_not_decoded() {
        let pickle = Payload::new(Format::Pickle, vec![0x80, 4]);
        let error = pickle.decode::<u8>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Serialization);
        assert!(error.to_string().contains("pickle"), "{error}");
        assert!(Payload::encode(Format::Raw, &1).is_err());
    }

    #[test]
    fn every_finite_float_is_read_back_unchanged() {
        // A linear congruential generator produces bits with all exponents.
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
    fn the_error_names_the_wrong_type() {
        let error = Payload::encode(Format::Json, "text")
            .unwrap()
            .decode::<u32>()
            .unwrap_err();
        assert!(error.to_string().contains("u32"), "{error}");
    }

    #[test]
    fn the_cause_of_an_error_keeps_its_type_and_is_not_repeated() {
        let payload = Payload::encode(Format::Json, "text").unwrap();
        let error = payload.decode::<u32>().unwrap_err();
        let cause = std::error::Error::source(&error).unwrap();
        assert!(cause.is::<serde_json::Error>());
        let text = cause.to_string();
        assert!(!error.to_string().contains(&text), "{error}");
        assert!(error.chain().to_string().ends_with(&text));
    }
}
