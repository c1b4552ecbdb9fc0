//! Checks that calls are written and read as in `contracts/calls.json`, which holds for every language.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use omniq_core::{CoreSettings, Format, Parameter, Payload, Serializer, call};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const TASKS: [(&str, &[Parameter]); 3] = [
    (
        "images.resize",
        &[
            Parameter::new("path"),
            Parameter::new("width").or(|| Ok(json!(640))),
        ],
    ),
    ("math.add", &[Parameter::new("a"), Parameter::new("b")]),
    ("tick", &[]),
];

#[derive(Deserialize)]
struct Contract {
    tasks: Map<String, Value>,
    calls: Vec<Call>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    about: String,
    task: String,
    args: Option<Vec<Value>>,
    #[serde(default)]
    kwargs: Map<String, Value>,
    format: Format,
    bytes: String,
    bound: Option<Vec<Value>>,
    error: Option<String>,
}

impl Call {
    fn payload(&self) -> Payload {
        let bytes = match self.format {
            Format::Json => self.bytes.clone().into_bytes(),
            _ => (0..self.bytes.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&self.bytes[at..at + 2], 16).unwrap())
                .collect(),
        };
        Payload::new(self.format, bytes)
    }

    fn serializer(&self) -> Serializer {
        match self.format {
            Format::Msgpack => Serializer::Msgpack,
            _ => Serializer::Json,
        }
    }

    fn check_writing(&self, args: &[Value]) {
        let mut order = call(self.task.as_str()).serializer(self.serializer());
        for value in args {
            order = order.arg(value);
        }
        for (name, value) in &self.kwargs {
            order = order.kwarg(name, value);
        }
        let written = order.into_new_task(&CoreSettings::default()).unwrap();
        assert_eq!(written.payload, self.payload(), "{}", self.about);
    }

    fn check_reading(&self, parameters: &[Parameter]) {
        let read = self.payload().bind::<Vec<Value>>(parameters);
        match (&self.bound, &self.error, read) {
            (Some(bound), None, Ok(read)) => assert_eq!(&read, bound, "{}", self.about),
            (None, Some(message), Err(error)) => {
                assert_eq!(&error.message, message, "{}", self.about);
                assert_eq!(error.error_type, "payload");
                assert!(!error.is_retryable);
            }
            (_, _, read) => panic!("{}: {read:?}", self.about),
        }
    }
}

fn contract() -> Contract {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/calls.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_tasks_are_those_of_the_contract() {
    let name = |parameter: &Value| parameter["name"].as_str().unwrap().to_owned();
    let expected = contract().tasks.into_iter().map(|(task, parameters)| {
        let names: Vec<_> = parameters.as_array().unwrap().iter().map(name).collect();
        (task, names)
    });
    let actual = TASKS.map(|(task, parameters)| {
        let names: Vec<_> = parameters.iter().map(|p| p.name().to_owned()).collect();
        (task.to_owned(), names)
    });
    assert_eq!(expected.collect::<Vec<_>>(), actual);
}

#[test]
fn each_call_is_written_and_read_as_in_the_contract() {
    let mut checked = 0;
    for call in contract().calls {
        if !Format::READABLE.contains(&call.format) {
            continue;
        }
        let (_, parameters) = TASKS.iter().find(|(task, _)| *task == call.task).unwrap();
        if let Some(args) = &call.args {
            call.check_writing(args);
        }
        call.check_reading(parameters);
        checked += 1;
    }
    assert!(checked >= 20 * Format::READABLE.len(), "{checked} calls");
}
