//! Arranges the arguments of a call in the order of the parameters, as a Python call does: positional
//! arguments first, then named ones.

use std::collections::BTreeMap;

use serde::de::value::SeqDeserializer;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::Value;

use crate::counting_de::{CountingVisitor, ReadCount};
use crate::{Result, TaskError};

/// Returns the error for arguments that do not fit: a fatal one of type `payload`.
pub(crate) fn rejected(message: String) -> TaskError {
    TaskError::new("payload", message).with_retryable(false)
}

/// Returns one value for each parameter. `default` returns the default of the parameter at an index, if it has
/// one.
///
/// # Errors
///
/// If an argument is missing, given twice or has no parameter; the text names it.
pub(crate) fn arrange<V>(
    mut values: Vec<V>,
    mut by_name: BTreeMap<String, V>,
    parameters: &[&str],
    default: impl Fn(usize) -> Option<Result<V>>,
) -> Result<Vec<V>, TaskError> {
    if values.len() > parameters.len() {
        return Err(rejected(format!(
            "too many arguments ({}): the parameters are {parameters:?}",
            values.len()
        )));
    }
    let (given, remaining) = parameters.split_at(values.len());
    if let Some(twice) = given.iter().find(|name| by_name.contains_key(**name)) {
        return Err(rejected(format!("the parameter {twice:?} was given twice")));
    }
    let mut missing = None;
    for (at, name) in (given.len()..).zip(remaining) {
        match by_name.remove(*name).map(Ok).or_else(|| default(at)) {
            Some(Ok(value)) => values.push(value),
            Some(Err(e)) => {
                let text = format!("the default of {name:?}: {}", e.chain());
                return Err(rejected(text));
            }
            None => missing = missing.or(Some(name)),
        }
    }
    let unknown: Vec<_> = by_name.keys().collect();
    let text = match (missing, unknown.is_empty()) {
        (None, true) => return Ok(values),
        (Some(name), true) => format!("the parameter {name:?} is missing"),
        (Some(name), false) => {
            format!("the parameter {name:?} is missing, and there is no parameter {unknown:?}")
        }
        (None, false) => {
            format!("there is no parameter {unknown:?}: the parameters are {parameters:?}")
        }
    };
    Err(rejected(text))
}

/// Returns values as a list that can be deserialized.
pub(crate) fn list(
    values: Vec<Value>,
) -> SeqDeserializer<std::vec::IntoIter<Value>, serde_json::Error> {
    SeqDeserializer::new(values.into_iter())
}

/// Deserializes one value for each parameter from a list.
///
/// # Errors
///
/// If a value has the wrong type, or if `T` does not take exactly these parameters; the text names the
/// parameter.
pub(crate) fn read<'de, T, D>(list: D, parameters: &[&str]) -> Result<T, TaskError>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let mut count = ReadCount::default();
    let bound = list.deserialize_seq(CountingVisitor::new(&mut count));
    let read = count.values;
    let last = parameters.get(read.wrapping_sub(1));
    let text = match (bound, last) {
        _ if count.is_complete && read < parameters.len() => {
            format!("the handler reads only {read} of the parameters {parameters:?}")
        }
        (Ok(bound), _) => return Ok(bound),
        (Err(e), Some(name)) => format!("the parameter {name:?}: {e}"),
        (Err(e), None) if read == 0 => {
            format!("the handler must bind to a tuple, such as (a, b) or (a,): {e}")
        }
        (Err(e), None) => format!("the parameters are {parameters:?}: {e}"),
    };
    Err(rejected(text))
}
