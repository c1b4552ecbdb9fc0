//! Finds what would not come back as it was sent: in JSON, floats that are not finite, for which
//! `serde_json` silently writes `null`; integers beyond 64 bits, which are read as floats or bytes; and
//! what is nested deeper than `serde_json` reads.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

use crate::Format;

/// `serde_json` reads 128 levels; some of them are the call's own, and some are left to wrappers.
const DEEPEST: u8 = 100;

/// Refuses a value that holds something like that anywhere inside.
pub(crate) fn check<T: Serialize + ?Sized>(value: &T, format: Format) -> Result<(), Inexact> {
    value.serialize(Check {
        format,
        levels: DEEPEST,
    })
}

/// Why a value was refused.
#[derive(Debug)]
pub(crate) struct Inexact(String);

impl fmt::Display for Inexact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Inexact {}

impl ser::Error for Inexact {
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

type Checked = Result<(), Inexact>;

impl Check {
    /// One level further inside.
    fn deeper(self) -> Result<Self, Inexact> {
        let Some(levels) = self.levels.checked_sub(1) else {
            let text = format!(
                "it is nested deeper than {DEEPEST} levels: flatten it, or pass it as a text"
            );
            return Err(Inexact(text));
        };
        Ok(Self { levels, ..self })
    }

    fn float(self, number: f64) -> Checked {
        if number.is_finite() || self.format != Format::Json {
            return Ok(());
        }
        let text = format!("JSON can't hold the number {number}: pass an Option, or a text");
        Err(Inexact(text))
    }

    fn integer(number: impl fmt::Display, fits: bool) -> Checked {
        if fits {
            return Ok(());
        }
        let text = format!("the integer {number} has more than 64 bits: pass it as a text");
        Err(Inexact(text))
    }
}

macro_rules! fine {
    ($($method:ident($($arg:ty),*);)*) => {
        $(fn $method(self, $(_: $arg),*) -> Checked { Ok(()) })*
    };
}

impl Serializer for Check {
    type Ok = ();
    type Error = Inexact;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fine! {
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
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Inexact> {
        self.deeper()
    }
    fn serialize_tuple(self, _: usize) -> Result<Self, Inexact> {
        self.deeper()
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Inexact> {
        self.deeper()
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Inexact> {
        self.deeper()
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self, Inexact> {
        self.deeper()
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Inexact> {
        self.deeper()
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Inexact> {
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
            type Error = Inexact;
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
            type Error = Inexact;
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
    type Error = Inexact;
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
    fn finds_a_number_that_would_change_wherever_it_hides() {
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
    fn lets_everything_else_pass() {
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
    fn what_is_nested_too_deep_is_refused_before_it_is_read() {
        let nested = |levels| (0..levels).fold(Chain::End, |inner, _| Chain::Link(Box::new(inner)));
        json(&nested(100)).unwrap();
        let error = json(&nested(101)).unwrap_err();
        assert!(error.to_string().contains("100 levels"), "{error}");
    }

    #[test]
    fn other_formats_hold_any_float() {
        check(&f64::NAN, Format::Msgpack).unwrap();
        assert!(check(&u128::MAX, Format::Msgpack).is_err());
    }
}
