//! The arguments of an order. Each argument is serialized immediately, because it may be borrowed. The format of
//! the order is not known yet, so the argument is serialized in every format that this build can write.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{Error, ErrorKind, Format, Payload, Result};

/// The serialized arguments of a call.
#[derive(Default)]
pub(crate) struct Arguments {
    in_order: Vec<(Option<&'static str>, Serialized)>,
    by_name: Vec<(String, Serialized)>,
}

/// One value in every format that this build can write.
struct Serialized {
    json: Result<Vec<u8>>,
    #[cfg(feature = "msgpack")]
    msgpack: Result<Vec<u8>>,
}

impl Serialized {
    fn new(value: &impl Serialize) -> Self {
        let write = |format| Payload::encode(format, value).map(|payload| payload.bytes);
        Self {
            json: write(Format::Json),
            #[cfg(feature = "msgpack")]
            msgpack: write(Format::Msgpack),
        }
    }

    fn into_format(self, format: Format) -> Result<Vec<u8>> {
        match format {
            #[cfg(feature = "msgpack")]
            Format::Msgpack => self.msgpack,
            _ => self.json,
        }
    }
}

impl Arguments {
    /// Adds a positional argument. Errors name it `parameter`, if that is known.
    pub(crate) fn add(&mut self, parameter: Option<&'static str>, value: &impl Serialize) {
        self.in_order.push((parameter, Serialized::new(value)));
    }

    /// Adds a named argument.
    pub(crate) fn add_named(&mut self, name: String, value: &impl Serialize) {
        self.by_name.push((name, Serialized::new(value)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.in_order.is_empty() && self.by_name.is_empty()
    }

    /// Returns `{"args":[…],"kwargs":{…}}`.
    ///
    /// # Errors
    ///
    /// The first error of an argument; its text names the argument.
    pub(crate) fn encode(self, format: Format) -> Result<Payload> {
        let mut names = BTreeSet::new();
        if let Some((twice, _)) = self.by_name.iter().find(|(name, _)| !names.insert(name)) {
            let text = format!("the argument {twice:?} was given twice");
            return Err(Error::new(ErrorKind::Serialization, text));
        }
        let mut args = Vec::with_capacity(self.in_order.len());
        for (at, (parameter, value)) in self.in_order.into_iter().enumerate() {
            let value = value.into_format(format);
            args.push(value.map_err(|e| match parameter {
                Some(name) => rejected(&format!("{name:?}"), e),
                None => rejected(&format!("number {}", at + 1), e),
            })?);
        }
        let mut kwargs = Vec::with_capacity(self.by_name.len());
        for (name, value) in self.by_name {
            let value = value
                .into_format(format)
                .map_err(|e| rejected(&format!("{name:?}"), e))?;
            kwargs.push((name, value));
        }
        let bytes = match format {
            #[cfg(feature = "msgpack")]
            Format::Msgpack => crate::msgpack::envelope(&args, &kwargs),
            _ => json_envelope(&args, kwargs)?,
        };
        Ok(Payload::new(format, bytes))
    }
}

fn rejected(argument: &str, error: Error) -> Error {
    error.prefixed(format_args!("the argument {argument}"))
}

fn json_envelope(args: &[Vec<u8>], kwargs: Vec<(String, Vec<u8>)>) -> Result<Vec<u8>> {
    let mut json = b"{\"args\":[".to_vec();
    for (at, value) in args.iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        json.extend_from_slice(value);
    }
    json.extend_from_slice(b"],\"kwargs\":{");
    for (at, (name, value)) in kwargs.into_iter().enumerate() {
        if at > 0 {
            json.push(b',');
        }
        json.extend(Payload::encode(Format::Json, &name)?.bytes);
        json.push(b':');
        json.extend(value);
    }
    json.extend_from_slice(b"}}");
    Ok(json)
}
