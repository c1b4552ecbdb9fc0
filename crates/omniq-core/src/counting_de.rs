//! Reads a list while counting its elements, so that an error can name the parameter it is about.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

/// A value that was read from a list, and how long that was.
pub(crate) struct Counted<T> {
    pub(crate) value: T,
    pub(crate) count: usize,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Counted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut came = Came::default();
        let value = deserializer.deserialize_seq(Counting::new(&mut came))?;
        let count = came.values;
        Ok(Self { value, count })
    }
}

/// How far a reader came.
#[derive(Default)]
pub(crate) struct Came {
    pub(crate) values: usize,
    /// It has all that it wanted.
    pub(crate) to_the_end: bool,
}

/// Reads a `T` from a list, and counts how far it came.
pub(crate) struct Counting<'a, T> {
    came: &'a mut Came,
    wanted: PhantomData<T>,
}

impl<'a, T> Counting<'a, T> {
    pub(crate) fn new(came: &'a mut Came) -> Self {
        let wanted = PhantomData;
        Self { came, wanted }
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Counting<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        let Self { came, .. } = self;
        let values = Values {
            list,
            count: &mut came.values,
        };
        let wanted = T::deserialize(values)?;
        came.to_the_end = true;
        Ok(wanted)
    }
}

/// The values of a list, counted.
struct Values<'a, A> {
    list: A,
    count: &'a mut usize,
}

impl<'de, A: SeqAccess<'de>> Deserializer<'de> for Values<'_, A> {
    type Error = A::Error;

    fn deserialize_any<R: Visitor<'de>>(self, visitor: R) -> Result<R::Value, A::Error> {
        visitor.visit_seq(self)
    }

    fn deserialize_unit<R: Visitor<'de>>(self, visitor: R) -> Result<R::Value, A::Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Values<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        *self.count += 1;
        let next = self.list.next_element_seed(seed)?;
        *self.count -= usize::from(next.is_none());
        Ok(next)
    }
}
