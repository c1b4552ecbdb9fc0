//! Rejects values that would not be read back unchanged: in JSON, floats that are not finite, for which
//! `serde_json` silently writes `null`; integers beyond 64 bits, which are read as floats or bytes; and
//! values that are nested deeper than `serde_json` reads.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use crate::Format;

/// The largest depth of a value. `serde_json` reads 128 levels; the call itself takes some of them, and some
/// are left to wrappers.
const MAX_DEPTH: u8 = 100;

/// Checks a value and everything inside it.
///
/// # Errors
///
/// If a part of the value would not be read back unchanged; the text says which and what to do.
pub(crate) fn check<T: Serialize + ?Sized>(value: &T, format: Format) -> Result<(), Lossy> {
    value.serialize(Check {
        format,
        levels: MAX_DEPTH,
    })
}

/// The reason why a value was rejected.
#[derive(Debug)]
pub(crate) struct Lossy(String);

impl fmt::Display for Lossy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Lossy {}

impl ser::Error for Lossy {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Walks a value and writes nothing.
#[derive(Clone, Copy)]
struct Check {
    format: Format,
    levels: u8,
}

type Checked = Result<(), Lossy>;

impl Check {
    /// Returns the check for the values one level further inside.
    fn deeper(self) -> Result<Self, Lossy> {
        let Some(levels) = self.levels.checked_sub(1) else {
            let text = format!(
                "it is nested deeper than {MAX_DEPTH} levels: flatten it, or pass it as a text"
            );
            return Err(Lossy(text));
        };
        Ok(Self { levels, ..self })
    }

    fn float(self, number: f64) -> Checked {
        if number.is_finite() || self.format != Format::Json {
            return Ok(());
        }
        let text = format!("JSON can't hold the number {number}: pass an Option, or a text");
        Err(Lossy(text))
    }

    fn integer(number: impl fmt::Display, fits: bool) -> Checked {
        if fits {
            return Ok(());
        }
        let text = format!("the integer {number} has more than 64 bits: pass it as a text");
        Err(Lossy(text))
    }
}

macro_rules! accept {
    ($($method:ident($($arg:ty),*);)*) => {
        $(fn $method(self, $(_: $arg),*) -> Checked { Ok(()) })*
    };
}

impl Serializer for Check {
    type Ok = ();
    type Error = Lossy;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    accept! {
        serialize_bool(bool); serialize_char(char); serialize_str(&str); serialize_bytes(&[u8]);
        serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64);
        serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64);
        serialize_none(); serialize_unit(); serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_i128(self, number: i128) -> Checked {
        Self::integer(
            number,
            i64::try_from(number).is_ok() || u64::try_from(number).is_ok(),
        )
    }
    fn serialize_u128(self, number: u128) -> Checked {
        Self::integer(number, u64::try_from(number).is_ok())
    }
    fn serialize_f32(self, number: f32) -> Checked {
        self.float(number.into())
    }
    fn serialize_f64(self, number: f64) -> Checked {
        self.float(number)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Checked {
        value.serialize(self)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Checked {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Checked {
        value.serialize(self.deeper()?)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Lossy> {
        self.deeper()
    }
    fn serialize_tuple(self, _: usize) -> Result<Self, Lossy> {
        self.deeper()
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Lossy> {
        self.deeper()
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Lossy> {
        self.deeper()
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self, Lossy> {
        self.deeper()
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Lossy> {
        self.deeper()
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Lossy> {
        self.deeper()
    }
    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Checked {
        Ok(())
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident),*) => {
        $(impl ser::$trait for Check {
            type Ok = ();
            type Error = Lossy;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Checked {
                value.serialize(*self)
            }
            fn end(self) -> Checked {
                Ok(())
            }
        })*
    };
}

macro_rules! fields {
    ($($trait:ident),*) => {
        $(impl ser::$trait for Check {
            type Ok = ();
            type Error = Lossy;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Checked {
                value.serialize(*self)
            }
            fn end(self) -> Checked {
                Ok(())
            }
        })*
    };
}

elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);
fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Check {
    type Ok = ();
    type Error = Lossy;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Checked {
        key.serialize(*self)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Checked {
        value.serialize(*self)
    }
    fn end(self) -> Checked {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn json<T: Serialize + ?Sized>(value: &T) -> Checked {
        check(value, Format::Json)
    }

    #[derive(serde::Serialize)]
    enum Shape {
        Unit,
        New(f32),
        Tuple(u8, f64),
        Struct { side: Option<f64> },
    }

    #[test]
    fn lossy_numbers_are_rejected_at_any_depth() {
        let bad: Vec<Box<dyn Fn() -> Checked>> = vec![
            Box::new(|| json(&f64::NAN)),
            Box::new(|| json(&vec![1.0, f64::INFINITY])),
            Box::new(|| json(&(1, f32::NEG_INFINITY))),
            Box::new(|| json(&Shape::New(f32::NAN))),
            Box::new(|| json(&Shape::Tuple(1, f64::NAN))),
            Box::new(|| {
                json(&Shape::Struct {
                    side: Some(f64::NAN),
                })
            }),
            Box::new(|| json(&BTreeMap::from([("k", f64::NAN)]))),
            Box::new(|| json(&u128::MAX)),
            Box::new(|| json(&[i128::MIN])),
        ];
        for (at, case) in bad.iter().enumerate() {
            assert!(case().is_err(), "case {at}");
        }
    }

    #[test]
    fn other_values_are_accepted() {
        json(&(Shape::Unit, Shape::New(1.5), Shape::Tuple(1, 2.0))).unwrap();
        json(&Shape::Struct { side: None }).unwrap();
        json(&BTreeMap::from([("k", vec![Some(f64::MAX)])])).unwrap();
        json(&(u128::from(u64::MAX), i128::from(i64::MIN))).unwrap();
    }

    #[derive(serde::Serialize)]
    enum Chain {
        Link(Box<Chain>),
        End,
    }

    #[test]
    fn values_that_are_nested_too_deep_are_rejected() {
        let nested = |levels| (0..levels).fold(Chain::End, |inner, _| Chain::Link(Box::new(inner)));
        json(&nested(100)).unwrap();
        let error = json(&nested(101)).unwrap_err();
        assert!(error.to_string().contains("100 levels"), "{error}");
    }

    #[test]
    fn msgpack_accepts_any_float() {
        check(&f64::NAN, Format::Msgpack).unwrap();
        assert!(check(&u128::MAX, Format::Msgpack).is_err());
    }
}
