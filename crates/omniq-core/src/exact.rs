//! Finds numbers that would not come back as they were sent: floats that are not finite, for which
//! `serde_json` silently writes `null`, and integers beyond 64 bits, which it reads as floats.

use std::fmt;

use serde::ser::{self, Serialize, Serializer};

/// Refuses a value that holds such a number anywhere inside.
pub(crate) fn check<T: Serialize + ?Sized>(value: &T) -> Result<(), Inexact> {
    value.serialize(Check)
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
struct Check;

type Checked = Result<(), Inexact>;

impl Check {
    fn float(number: f64) -> Checked {
        if number.is_finite() {
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
        Self::float(number.into())
    }
    fn serialize_f64(self, number: f64) -> Checked {
        Self::float(number)
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
        value.serialize(self)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Inexact> {
        Ok(self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self, Inexact> {
        Ok(self)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Inexact> {
        Ok(self)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Inexact> {
        Ok(self)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self, Inexact> {
        Ok(self)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Inexact> {
        Ok(self)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Inexact> {
        Ok(self)
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
            Box::new(|| check(&f64::NAN)),
            Box::new(|| check(&vec![1.0, f64::INFINITY])),
            Box::new(|| check(&(1, f32::NEG_INFINITY))),
            Box::new(|| check(&Shape::New(f32::NAN))),
            Box::new(|| check(&Shape::Tuple(1, f64::NAN))),
            Box::new(|| {
                check(&Shape::Struct {
                    side: Some(f64::NAN),
                })
            }),
            Box::new(|| check(&BTreeMap::from([("k", f64::NAN)]))),
            Box::new(|| check(&u128::MAX)),
            Box::new(|| check(&[i128::MIN])),
        ];
        for (at, case) in bad.iter().enumerate() {
            assert!(case().is_err(), "case {at}");
        }
    }

    #[test]
    fn lets_everything_else_pass() {
        check(&(Shape::Unit, Shape::New(1.5), Shape::Tuple(1, 2.0))).unwrap();
        check(&Shape::Struct { side: None }).unwrap();
        check(&BTreeMap::from([("k", vec![Some(f64::MAX)])])).unwrap();
        check(&(u128::from(u64::MAX), i128::from(i64::MIN))).unwrap();
    }
}
