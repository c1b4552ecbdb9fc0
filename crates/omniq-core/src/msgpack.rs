//! Reads and writes MessagePack with `rmp-serde`. Structs are maps with field names, as other languages expect.

use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Args, Error, ErrorKind, Result};

/// The largest depth of values that are read, the same as that of `serde_json`.
pub(crate) const MAX_DEPTH: usize = 128;

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    rmp_serde::to_vec_named(value).map_err(|e| {
        let text = "MessagePack can't hold this value";
        Error::new(ErrorKind::Serialization, text).with_source(e)
    })
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    read(bytes).map_err(|e| {
        let text = format!("these bytes are not a {}", std::any::type_name::<T>());
        Error::new(ErrorKind::Serialization, text).with_source(e)
    })
}

/// Reads one value from all of `bytes`. Values deeper than [`MAX_DEPTH`] are rejected, because they could
/// overflow the stack.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    reader.set_max_depth(MAX_DEPTH);
    let value = T::deserialize(&mut reader)?;
    // The first byte of another value can only be unreadable at the end of the bytes.
    match IgnoredAny::deserialize(&mut reader) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(_)) => Ok(value),
        _ => {
            let text = "there are bytes after the value".to_owned();
            Err(rmp_serde::decode::Error::Uncategorized(text))
        }
    }
}

/// The arguments of a call as they were sent. Unlike JSON values, these can be bytes and any float.
#[derive(Deserialize)]
pub(crate) struct Call {
    #[serde(default)]
    pub(crate) args: Vec<rmpv::Value>,
    #[serde(default)]
    pub(crate) kwargs: BTreeMap<String, rmpv::Value>,
}

/// Returns `{"args": […], "kwargs": {…}}`, made of parts that are already MessagePack.
pub(crate) fn envelope(args: &[Vec<u8>], kwargs: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to a vector can't fail, and each count fits: a payload is far smaller than 4 GiB.
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let _ = rmp::encode::write_map_len(&mut out, 2);
    let _ = rmp::encode::write_str(&mut out, "args");
    let _ = rmp::encode::write_array_len(&mut out, count(args.len()));
    args.iter().for_each(|value| out.extend_from_slice(value));
    let _ = rmp::encode::write_str(&mut out, "kwargs");
    let _ = rmp::encode::write_map_len(&mut out, count(kwargs.len()));
    for (name, value) in kwargs {
        let _ = rmp::encode::write_str(&mut out, name);
        out.extend_from_slice(value);
    }
    out
}

impl Call {
    /// Converts the arguments to JSON values. Bytes become a list of numbers, as `serde_json` writes them.
    pub(crate) fn into_args(self) -> Result<Args> {
        let named = |(name, value): (String, _)| Ok((name, to_json(value)?));
        Ok(Args {
            args: self.args.into_iter().map(to_json).collect::<Result<_>>()?,
            kwargs: self.kwargs.into_iter().map(named).collect::<Result<_>>()?,
        })
    }
}

fn to_json(value: rmpv::Value) -> Result<Value> {
    use rmpv::Value as Packed;
    let json = match value {
        Packed::Array(items) => {
            Value::Array(items.into_iter().map(to_json).collect::<Result<_>>()?)
        }
        Packed::Map(pairs) => {
            let pair = |(key, value): (Packed, Packed)| Ok((key_text(&key)?, to_json(value)?));
            Value::Object(pairs.into_iter().map(pair).collect::<Result<_>>()?)
        }
        Packed::Binary(bytes) => Value::from(bytes),
        Packed::F32(float) => number(float.into())?,
        Packed::F64(float) => number(float)?,
        Packed::Ext(kind, _) => return Err(no_json(&format!("the extension type {kind}"))),
        other => rmpv::ext::from_value(other).map_err(|e| no_json(&e.to_string()))?,
    };
    Ok(json)
}

fn number(float: f64) -> Result<Value> {
    let number = serde_json::Number::from_f64(float);
    number
        .map(Value::Number)
        .ok_or_else(|| no_json(&format!("the number {float}")))
}

/// Returns the text of a key, as `serde_json` writes it.
fn key_text(key: &rmpv::Value) -> Result<String> {
    match key {
        rmpv::Value::String(text) => Ok(text.as_str().unwrap_or_default().to_owned()),
        rmpv::Value::Integer(number) => Ok(number.to_string()),
        rmpv::Value::Boolean(flag) => Ok(flag.to_string()),
        other => Err(no_json(&format!("the key {other}"))),
    }
}

fn no_json(value: &str) -> Error {
    let text = format!("JSON can't hold {value}: bind the arguments to a type instead");
    Error::new(ErrorKind::Serialization, text)
}

/// Converts the default of a parameter, which is given as a JSON value.
pub(crate) fn from_json(value: Result<Value>) -> Result<rmpv::Value> {
    rmpv::ext::to_value(value?).map_err(|e| {
        let text = "MessagePack can't hold this value";
        Error::new(ErrorKind::Serialization, text).with_source(e)
    })
}

/// Returns values as an encoded list that can be deserialized.
pub(crate) fn list(values: Vec<rmpv::Value>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &rmpv::Value::Array(values)).map_err(|e| {
        let text = "the arguments can't be put in order";
        Error::new(ErrorKind::Serialization, text).with_source(e)
    })?;
    Ok(bytes)
}
