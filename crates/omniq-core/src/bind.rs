//! Binds the arguments of a payload to the parameters of a task's function.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::arrange::{arrange, list, read, rejected};
use crate::counting_de::Counted;
use crate::{Format, Payload, Result, TaskError};

/// A parameter of a task's function: its name, and its default if it has one.
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
    /// Returns a parameter without a default: each call must give it.
    pub const fn new(name: &'static str) -> Self {
        let default = None;
        Self { name, default }
    }

    /// Sets the default, which is used if a call leaves the parameter out.
    #[must_use]
    pub const fn or(self, default: fn() -> Result<Value>) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    /// Returns the name.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// A call that gives every parameter by position. It is deserialized directly, without intermediate values.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"), deny_unknown_fields)]
struct Positional<T> {
    args: Counted<T>,
    #[serde(default, rename = "kwargs")]
    _kwargs: Empty,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Empty {}

impl<T> Positional<T> {
    /// Returns the values, if there is one for each parameter.
    fn into_values(self, parameters: &[Parameter]) -> Option<T> {
        if self.args.count != parameters.len() {
            return None;
        }
        Some(self.args.value)
    }
}

impl Payload {
    /// Deserializes the arguments of a call as the values of these parameters: a tuple, `(T,)` for one
    /// parameter, `[(); 0]` for none.
    ///
    /// # Errors
    ///
    /// Arguments that are missing, unknown or given twice, and values of the wrong type, are fatal errors of
    /// type `payload` that name the parameter.
    pub fn bind<T: DeserializeOwned>(&self, parameters: &[Parameter]) -> Result<T, TaskError> {
        let positional: Option<Positional<T>> = match self.format {
            Format::Json => serde_json::from_slice(&self.bytes).ok(),
            #[cfg(feature = "msgpack")]
            Format::Msgpack => crate::msgpack::read(&self.bytes).ok(),
            _ => None,
        };
        match positional.and_then(|call| call.into_values(parameters)) {
            Some(values) => Ok(values),
            None => self.bind_by_name(parameters),
        }
    }

    /// Binds by position and by name, with the defaults. Unlike the direct way, it reports what is wrong.
    fn bind_by_name<T: DeserializeOwned>(&self, parameters: &[Parameter]) -> Result<T, TaskError> {
        let names: Vec<_> = parameters.iter().map(Parameter::name).collect();
        let default = |at: usize| parameters.get(at)?.default.map(|default| default());
        #[cfg(feature = "msgpack")]
        if self.format == Format::Msgpack {
            use crate::msgpack::{Call, from_json, list};
            let call: Call = crate::msgpack::decode(&self.bytes).map_err(unreadable)?;
            let default = |at| default(at).map(from_json);
            let values = arrange(call.args, call.kwargs, &names, default)?;
            let list = list(values).map_err(unreadable)?;
            let mut reader = rmp_serde::Deserializer::from_read_ref(&list);
            reader.set_max_depth(crate::msgpack::MAX_DEPTH);
            return read(&mut reader, &names);
        }
        let call = self.decode_args().map_err(unreadable)?;
        let by_name = call.kwargs.into_iter().collect();
        let values = arrange(call.args, by_name, &names, default)?;
        read(list(values), &names)
    }
}

fn unreadable(error: crate::Error) -> TaskError {
    rejected(format!("the arguments can't be read: {}", error.chain()))
}
