use serde::de::value::SeqDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, forward_to_deserialize_any};
use serde_json::{Map, Value};

use crate::TaskError;

/// The arguments of a call: a list, and a map of named ones.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Args {
    /// In the order they were given.
    #[serde(default)]
    pub args: Vec<Value>,
    /// By name.
    #[serde(default)]
    pub kwargs: Map<String, Value>,
}

impl Args {
    /// Binds the arguments to parameters, as a Python call does: those in order first, then those by
    /// name. Missing, surplus and doubled arguments, and values of the wrong type, are fatal errors of
    /// type `payload` that name the parameter.
    ///
    /// ```
    /// # use omniq_core::Args;
    /// let args: Args = serde_json::from_str(r#"{"args":["cat.png"],"kwargs":{"width":640}}"#).unwrap();
    /// let (path, width): (String, u32) = args.bind(&["path", "width"])?;
    /// assert_eq!((path.as_str(), width), ("cat.png", 640));
    /// # Ok::<(), omniq_core::TaskError>(())
    /// ```
    pub fn bind<T: DeserializeOwned>(mut self, parameters: &[&str]) -> Result<T, TaskError> {
        if self.args.len() > parameters.len() {
            return Err(refused(format!(
                "{} arguments were given, but there are only the parameters {parameters:?}",
                self.args.len()
            )));
        }
        let (given, by_name) = parameters.split_at(self.args.len());
        if let Some(twice) = given.iter().find(|name| self.kwargs.contains_key(**name)) {
            return Err(refused(format!("the parameter {twice:?} was given twice")));
        }
        let mut missing = Vec::new();
        for name in by_name {
            match self.kwargs.remove(*name) {
                Some(value) => self.args.push(value),
                None => missing.push(name),
            }
        }
        let surplus: Vec<_> = self.kwargs.keys().collect();
        match (missing.first(), surplus.first()) {
            (None, None) => {}
            (Some(name), None) => {
                return Err(refused(format!("the parameter {name:?} is missing")));
            }
            (Some(name), Some(_)) => {
                let text =
                    format!("the parameter {name:?} is missing; there are none called {surplus:?}");
                return Err(refused(text));
            }
            (None, Some(_)) => {
                let text =
                    format!("there is no parameter {surplus:?}: the parameters are {parameters:?}");
                return Err(refused(text));
            }
        }
        let mut at = 0;
        let values = Parameters {
            values: SeqDeserializer::new(self.args.into_iter()),
            at: &mut at,
        };
        let bound = T::deserialize(values);
        let read = at;
        match (bound, parameters.get(read.wrapping_sub(1))) {
            (Ok(_), _) if read < parameters.len() => {
                let text =
                    format!("the handler reads only {read} of the parameters {parameters:?}");
                Err(refused(text))
            }
            (Ok(bound), _) => Ok(bound),
            (Err(e), Some(name)) => Err(refused(format!("the parameter {name:?}: {e}"))),
            (Err(e), None) if read == 0 => Err(refused(format!(
                "the handler must bind to a tuple, such as (a, b) or (a,): {e}"
            ))),
            (Err(e), None) => Err(refused(format!("the parameters are {parameters:?}: {e}"))),
        }
    }
}

fn refused(message: String) -> TaskError {
    TaskError::new("payload", message).with_retryable(false)
}

/// The bound values as one sequence that counts how far the reader came.
struct Parameters<'a> {
    values: SeqDeserializer<std::vec::IntoIter<Value>, serde_json::Error>,
    at: &'a mut usize,
}

impl<'de> Deserializer<'de> for Parameters<'_> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_seq(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Parameters<'_> {
    type Error = serde_json::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Self::Error> {
        *self.at += 1;
        self.values.next_element_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn args(list: Value, named: Value) -> Args {
        serde_json::from_value(json!({"args": list, "kwargs": named})).unwrap()
    }

    #[test]
    fn binds_in_order_then_by_name() {
        let bound: (i32, String, Option<f64>) = args(json!([7]), json!({"c": null, "b": "x"}))
            .bind(&["a", "b", "c"])
            .unwrap();
        assert_eq!(bound, (7, "x".to_owned(), None));
        args(json!([]), json!({})).bind::<()>(&[]).unwrap();
        let (one,): (Vec<u8>,) = args(json!([[1, 2]]), json!({})).bind(&["bytes"]).unwrap();
        assert_eq!(one, [1, 2]);
    }

    #[test]
    fn each_misfit_names_its_parameter() {
        let cases = [
            (json!([1]), json!({}), "\"b\" is missing"),
            (json!([1, 2, 3]), json!({}), "3 arguments"),
            (json!([1]), json!({"a": 1, "b": 2}), "\"a\" was given twice"),
            (json!([1, 2]), json!({"d": 1}), "no parameter [\"d\"]"),
            (
                json!([1]),
                json!({"B": 1}),
                "\"b\" is missing; there are none called [\"B\"]",
            ),
            (json!([1]), json!({"b": "x"}), "\"b\": invalid type"),
            (json!(["x"]), json!({"b": 1}), "\"a\": invalid type"),
        ];
        for (list, named, expected) in cases {
            let error = args(list, named)
                .bind::<(i32, i32)>(&["a", "b"])
                .unwrap_err();
            assert_eq!(error.error_type, "payload");
            assert!(!error.is_retryable);
            assert!(
                error.message.contains(expected),
                "{expected} in {}",
                error.message
            );
        }
    }

    #[test]
    fn a_handler_that_binds_to_something_else_is_told() {
        let cases = [
            (
                args(json!([1]), json!({})).bind::<i32>(&["a"]).map(drop),
                "(a,)",
            ),
            (
                args(json!([1, 2]), json!({}))
                    .bind::<(i32,)>(&["a", "b"])
                    .map(drop),
                "only 1 of",
            ),
            (
                args(json!([1]), json!({}))
                    .bind::<(i32, i32)>(&["a"])
                    .map(drop),
                "tuple of size 2",
            ),
        ];
        for (bound, expected) in cases {
            let error = bound.unwrap_err();
            assert!(
                error.message.contains(expected),
                "{expected} in {}",
                error.message
            );
        }
        let all: Vec<i32> = args(json!([1, 2]), json!({})).bind(&["a", "b"]).unwrap();
        assert_eq!(all, [1, 2]);
    }
}
