//! Arguments become the values of parameters, as in a Python call: those in order first, then those by name.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::value::SeqDeserializer;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::Value;

use crate::counting_de::{Came, Counted, Counting};
use crate::{Format, Payload, Result, TaskError};

/// A parameter of a task's function: its name, and what it is when a call leaves it out.
///
/// ```
/// # use omniq_core::{Format, Parameter, Payload};
/// const PARAMETERS: &[Parameter] =
///     &[Parameter::new("path"), Parameter::new("width").or(|| Ok(640.into()))];
///
/// let call = Payload::new(Format::Json, br#"{"kwargs":{"path":"cat.png"}}"#.to_vec());
/// let (path, width): (String, u32) = call.bind(PARAMETERS)?;
/// assert_eq!((path.as_str(), width), ("cat.png", 640));
/// # Ok::<(), omniq_core::TaskError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    name: &'static str,
    default: Option<fn() -> Result<Value>>,
}

impl Parameter {
    /// A parameter that each call has to give.
    pub const fn new(name: &'static str) -> Self {
        let default = None;
        Self { name, default }
    }

    /// What it is when a call leaves it out.
    #[must_use]
    pub const fn or(self, default: fn() -> Result<Value>) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// A call that gives every parameter in order, which needs no detour.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"), deny_unknown_fields)]
struct Plain<T> {
    args: Counted<T>,
    #[serde(default, rename = "kwargs")]
    _none: Empty,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Empty {}

impl<T> Plain<T> {
    fn fitting(self, parameters: &[Parameter]) -> Option<T> {
        (self.args.count == parameters.len()).then_some(self.args.value)
    }
}

impl Payload {
    /// Reads the arguments of a call as the values of these parameters: a tuple, `(T,)` for one, or
    /// `[(); 0]` for none.
    ///
    /// Missing, surplus and doubled arguments, and values of the wrong type, are fatal errors of type
    /// `payload` that name the parameter.
    pub fn bind<T: DeserializeOwned>(&self, parameters: &[Parameter]) -> Result<T, TaskError> {
        let plain: Option<Plain<T>> = match self.format {
            Format::Json => serde_json::from_slice(&self.bytes).ok(),
            #[cfg(feature = "msgpack")]
            Format::Msgpack => crate::msgpack::read(&self.bytes).ok(),
            _ => None,
        };
        match plain.and_then(|plain| plain.fitting(parameters)) {
            Some(values) => Ok(values),
            None => self.bind_by_name(parameters),
        }
    }

    /// The long way round, which also knows what is wrong.
    fn bind_by_name<T: DeserializeOwned>(&self, parameters: &[Parameter]) -> Result<T, TaskError> {
        let names: Vec<_> = parameters.iter().map(Parameter::name).collect();
        let default = |at: usize| parameters.get(at)?.default.map(|default| default());
        #[cfg(feature = "msgpack")]
        if self.format == Format::Msgpack {
            use crate::msgpack::{Call, from_json, list};
            let call: Call = crate::msgpack::decode(&self.bytes).map_err(unread)?;
            let default = |at| default(at).map(from_json);
            let values = arrange(call.args, call.kwargs, &names, default)?;
            let list = list(values).map_err(unread)?;
            let mut reader = rmp_serde::Deserializer::from_read_ref(&list);
            reader.set_max_depth(crate::msgpack::DEEPEST);
            return read(&mut reader, &names);
        }
        let call = self.decode_args().map_err(unread)?;
        let by_name = call.kwargs.into_iter().collect();
        let values = arrange(call.args, by_name, &names, default)?;
        read(list(values), &names)
    }
}

fn unread(error: crate::Error) -> TaskError {
    refused(format!("the arguments can't be read: {error}"))
}

fn refused(message: String) -> TaskError {
    TaskError::new("payload", message).with_retryable(false)
}

/// Puts the arguments of a call into the order of the parameters.
pub(crate) fn arrange<V>(
    mut values: Vec<V>,
    mut by_name: BTreeMap<String, V>,
    parameters: &[&str],
    default: impl Fn(usize) -> Option<Result<V>>,
) -> Result<Vec<V>, TaskError> {
    if values.len() > parameters.len() {
        return Err(refused(format!(
            "too many arguments ({}): the parameters are {parameters:?}",
            values.len()
        )));
    }
    let (given, left) = parameters.split_at(values.len());
    if let Some(twice) = given.iter().find(|name| by_name.contains_key(**name)) {
        return Err(refused(format!("the parameter {twice:?} was given twice")));
    }
    let mut missing = None;
    for (at, name) in (given.len()..).zip(left) {
        match by_name.remove(*name).map(Ok).or_else(|| default(at)) {
            Some(Ok(value)) => values.push(value),
            Some(Err(e)) => return Err(refused(format!("the default of {name:?}: {e}"))),
            None => missing = missing.or(Some(name)),
        }
    }
    let surplus: Vec<_> = by_name.keys().collect();
    let text = match (missing, surplus.is_empty()) {
        (None, true) => return Ok(values),
        (Some(name), true) => format!("the parameter {name:?} is missing"),
        (Some(name), false) => {
            format!("the parameter {name:?} is missing; there are none called {surplus:?}")
        }
        (None, false) => {
            format!("there is no parameter {surplus:?}: the parameters are {parameters:?}")
        }
    };
    Err(refused(text))
}

/// Values as a list that can be read.
pub(crate) fn list(
    values: Vec<Value>,
) -> SeqDeserializer<std::vec::IntoIter<Value>, serde_json::Error> {
    SeqDeserializer::new(values.into_iter())
}

/// Reads one value for each parameter from a list.
pub(crate) fn read<'de, T, D>(list: D, parameters: &[&str]) -> Result<T, TaskError>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let mut came = Came::default();
    let bound = list.deserialize_seq(Counting::new(&mut came));
    let read = came.values;
    let last = parameters.get(read.wrapping_sub(1));
    let text = match (bound, last) {
        _ if came.to_the_end && read < parameters.len() => {
            format!("the handler reads only {read} of the parameters {parameters:?}")
        }
        (Ok(bound), _) => return Ok(bound),
        (Err(e), Some(name)) => format!("the parameter {name:?}: {e}"),
        (Err(e), None) if read == 0 => {
            format!("the handler must bind to a tuple, such as (a, b) or (a,): {e}")
        }
        (Err(e), None) => format!("the parameters are {parameters:?}: {e}"),
    };
    Err(refused(text))
}
