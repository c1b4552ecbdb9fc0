//! Arguments become the values of parameters, as in a Python call: those in order first, then those by name.

use std::collections::BTreeMap;

use serde::de::value::SeqDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, SeqAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::Value;

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
    args: T,
    #[serde(default, rename = "kwargs")]
    _none: Empty,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Empty {}

impl Payload {
    /// Reads the arguments of a call as the values of these parameters: a tuple, `(T,)` for one, or
    /// `[(); 0]` for none.
    ///
    /// Missing, surplus and doubled arguments, and values of the wrong type, are fatal errors of type
    /// `payload` that name the parameter.
    pub fn bind<T: DeserializeOwned>(&self, parameters: &[Parameter]) -> Result<T, TaskError> {
        match self.format {
            Format::Json => match serde_json::from_slice(&self.bytes) {
                Ok(Plain { args, .. }) => Ok(args),
                Err(_) => self.bind_json(parameters),
            },
            #[cfg(feature = "msgpack")]
            Format::Msgpack => match rmp_serde::from_slice(&self.bytes) {
                Ok(Plain { args, .. }) => Ok(args),
                Err(_) => self.bind_msgpack(parameters),
            },
            _ => Err(unread(self.decode_args().err())),
        }
    }

    fn bind_json<T: DeserializeOwned>(&self, parameters: &[Parameter]) -> Result<T, TaskError> {
        let call = self.decode_args().map_err(|e| unread(Some(e)))?;
        let by_name = call.kwargs.into_iter().collect();
        let names = names(parameters);
        let values = arrange(call.args, by_name, &names, |at| defaults(parameters, at))?;
        read::<T, _, serde_json::Error>(values, &names)
    }

    #[cfg(feature = "msgpack")]
    fn bind_msgpack<T: DeserializeOwned>(&self, parameters: &[Parameter]) -> Result<T, TaskError> {
        let call: crate::msgpack::Call =
            crate::msgpack::decode(&self.bytes).map_err(|e| unread(Some(e)))?;
        let names = names(parameters);
        let default = |at| defaults(parameters, at).map(crate::msgpack::from_json);
        let values = arrange(call.args, call.kwargs, &names, default)?;
        let values = values.into_iter().map(crate::msgpack::Item).collect();
        read::<T, _, rmpv::ext::Error>(values, &names)
    }
}

fn names(parameters: &[Parameter]) -> Vec<&'static str> {
    parameters.iter().map(Parameter::name).collect()
}

fn defaults(parameters: &[Parameter], at: usize) -> Option<Result<Value>> {
    let default = parameters.get(at)?.default?;
    Some(default())
}

fn unread(error: Option<crate::Error>) -> TaskError {
    let why = error.map(|e| e.to_string()).unwrap_or_default();
    refused(format!("the arguments can't be read: {why}"))
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
            "{} arguments were given, but there are only the parameters {parameters:?}",
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

/// Reads one value for each parameter.
pub(crate) fn read<T, V, E>(values: Vec<V>, parameters: &[&str]) -> Result<T, TaskError>
where
    T: DeserializeOwned,
    V: for<'de> IntoDeserializer<'de, E>,
    E: de::Error,
{
    let mut at = 0;
    let values = Values {
        values: SeqDeserializer::<_, E>::new(values.into_iter()),
        at: &mut at,
    };
    let bound = T::deserialize(values);
    let read = at;
    match (bound, parameters.get(read.wrapping_sub(1))) {
        (Ok(_), _) if read < parameters.len() => {
            let text = format!("the handler reads only {read} of the parameters {parameters:?}");
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

/// The arranged values as one sequence that counts how far the reader came.
struct Values<'a, I, E> {
    values: SeqDeserializer<std::vec::IntoIter<I>, E>,
    at: &'a mut usize,
}

impl<'de, I: IntoDeserializer<'de, E>, E: de::Error> Deserializer<'de> for Values<'_, I, E> {
    type Error = E;

    fn deserialize_any<R: Visitor<'de>>(self, visitor: R) -> Result<R::Value, E> {
        visitor.visit_seq(self)
    }

    fn deserialize_unit<R: Visitor<'de>>(self, visitor: R) -> Result<R::Value, E> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, I: IntoDeserializer<'de, E>, E: de::Error> SeqAccess<'de> for Values<'_, I, E> {
    type Error = E;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, E> {
        *self.at += 1;
        self.values.next_element_seed(seed)
    }
}
