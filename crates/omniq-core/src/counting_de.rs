//! Deserializes a list while counting its elements, so that an error can name the parameter that it is about.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

/// A value that was deserialized from a list, and the number of elements that it took.
pub(crate) struct Counted<T> {
    pub(crate) value: T,
    pub(crate) count: usize,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Counted<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut read = ReadCount::default();
        let value = deserializer.deserialize_seq(CountingVisitor::new(&mut read))?;
        let count = read.values;
        Ok(Self { value, count })
    }
}

/// How many elements were read.
#[derive(Default)]
pub(crate) struct ReadCount {
    /// The elements that were read, including one that failed.
    pub(crate) values: usize,
    /// Whether the value is complete.
    pub(crate) is_complete: bool,
}

/// Deserializes a `T` from a list and counts the elements.
pub(crate) struct CountingVisitor<'a, T> {
    count: &'a mut ReadCount,
    target: PhantomData<T>,
}

impl<'a, T> CountingVisitor<'a, T> {
    pub(crate) fn new(count: &'a mut ReadCount) -> Self {
        let target = PhantomData;
        Self { count, target }
    }
}

impl<'de, T: DeserializeOwned> Visitor<'de> for CountingVisitor<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of arguments")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        let Self { count, .. } = self;
        let elements = CountedElements {
            list,
            count: &mut count.values,
        };
        let value = T::deserialize(elements)?;
        count.is_complete = true;
        Ok(value)
    }
}

/// The elements of a list; reading one counts it.
struct CountedElements<'a, A> {
    list: A,
    count: &'a mut usize,
}

impl<'de, A: SeqAccess<'de>> Deserializer<'de> for CountedElements<'_, A> {
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

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for CountedElements<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        // An element that fails counts; the end of the list does not.
        *self.count += 1;
        let next = self.list.next_element_seed(seed)?;
        *self.count -= usize::from(next.is_none());
        Ok(next)
    }
}
