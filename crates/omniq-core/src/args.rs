//! The arguments of a call as JSON values.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::TaskError;
use crate::arrange::{arrange, list, read};

/// The arguments of a call as JSON values: positional and named ones.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Args {
    /// The positional arguments.
    #[serde(default)]
    pub args: Vec<Value>,
    /// The named arguments.
    #[serde(default)]
    pub kwargs: Map<String, Value>,
}

impl Args {
    /// Binds the arguments to parameters, as a Python call does: positional arguments first, then named ones.
    ///
    /// # Errors
    ///
    /// Arguments that are missing, unknown or given twice, and values of the wrong type, are fatal errors of
    /// type `payload` that name the parameter.
    ///
    /// ```
    /// # use omniq_core::Args;
    /// let args: Args = serde_json::from_str(r#"{"args":["cat.png"],"kwargs":{"width":640}}"#).unwrap();
    /// let (path, width): (String, u32) = args.bind(&["path", "width"])?;
    /// assert_eq!((path.as_str(), width), ("cat.png", 640));
    /// # Ok::<(), omniq_core::TaskError>(())
    /// ```
    pub fn bind<T: DeserializeOwned>(self, parameters: &[&str]) -> Result<T, TaskError> {
        let by_name = self.kwargs.into_iter().collect();
        let values = arrange(self.args, by_name, parameters, |_| None)?;
        read(list(values), parameters)
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
    fn binds_by_position_then_by_name() {
        let bound: (i32, String, Option<f64>) = args(json!([7]), json!({"c": null, "b": "x"}))
            .bind(&["a", "b", "c"])
            .unwrap();
        assert_eq!(bound, (7, "x".to_owned(), None));
        args(json!([]), json!({})).bind::<()>(&[]).unwrap();
        let (one,): (Vec<u8>,) = args(json!([[1, 2]]), json!({})).bind(&["bytes"]).unwrap();
        assert_eq!(one, [1, 2]);
    }

    #[test]
    fn each_error_names_the_parameter() {
        let cases = [
            (json!([1]), json!({}), "\"b\" is missing"),
            (json!([1, 2, 3]), json!({}), "too many arguments (3)"),
            (json!([1]), json!({"a": 1, "b": 2}), "\"a\" was given twice"),
            (json!([1, 2]), json!({"d": 1}), "no parameter [\"d\"]"),
            (
                json!([1]),
                json!({"B": 1}),
                "\"b\" is missing, and there is no parameter [\"B\"]",
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
    fn errors_say_how_a_handler_must_bind() {
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
