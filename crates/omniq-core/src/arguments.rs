//! The arguments of an order. Each is written down at once, since it may be borrowed, and before it is known
//! which format the order will take: so in each that this build writes.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{Error, ErrorKind, Format, Payload, Result};

/// The arguments of a call, written.
#[derive(Default)]
pub(crate) struct Arguments {
    in_order: Vec<(Option<&'static str>, Written)>,
    by_name: Vec<(String, Written)>,
}

/// One value in each format.
struct Written {
    json: Result<Vec<u8>>,
    #[cfg(feature = "msgpack")]
    msgpack: Result<Vec<u8>>,
}

impl Written {
    fn new(value: &impl Serialize) -> Self {
        let write = |format| Payload::encode(format, value).map(|payload| payload.bytes);
        Self {
            json: write(Format::Json),
            #[cfg(feature = "msgpack")]
            msgpack: write(Format::Msgpack),
        }
    }

    fn take(self, format: Format) -> Result<Vec<u8>> {
        match format {
            #[cfg(feature = "msgpack")]
            Format::Msgpack => self.msgpack,
            _ => self.json,
        }
    }
}

impl Arguments {
    /// One more in order; `parameter` names it in errors, where that is known.
    pub(crate) fn add(&mut self, parameter: Option<&'static str>, value: &impl Serialize) {
        self.in_order.push((parameter, Written::new(value)));
    }

    /// One more by name.
    pub(crate) fn add_named(&mut self, name: String, value: &impl Serialize) {
        self.by_name.push((name, Written::new(value)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.in_order.is_empty() && self.by_name.is_empty()
    }

    /// `{"args":[…],"kwargs":{…}}`, or the first error, which names the argument.
    pub(crate) fn encode(self, format: Format) -> Result<Payload> {
        let mut names = BTreeSet::new();
        if let Some((twice, _)) = self.by_name.iter().find(|(name, _)| !names.insert(name)) {
            let text = format!("the argument {twice:?} was given twice");
            return Err(Error::new(ErrorKind::Serialization, text));
        }
        let mut args = Vec::with_capacity(self.in_order.len());
        for (at, (parameter, value)) in self.in_order.into_iter().enumerate() {
            let value = value.take(format);
            args.push(value.map_err(|e| match parameter {
                Some(name) => refused(&format!("{name:?}"), e),
                None => refused(&format!("number {}", at + 1), e),
            })?);
        }
        let mut kwargs = Vec::with_capacity(self.by_name.len());
        for (name, value) in self.by_name {
            let value = value
                .take(format)
                .map_err(|e| refused(&format!("{name:?}"), e))?;
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

fn refused(argument: &str, error: Error) -> Error {
    let text = format!("the argument {argument}: {error}");
    Error::new(ErrorKind::Serialization, text).with_source(error)
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
