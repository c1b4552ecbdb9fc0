//! Each argument is read back unchanged, in every format, or is rejected at enqueue with its name.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use omniq_core::{CoreSettings, Order, Parameter, Payload, Serializer, TaskError};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

const SERIALIZERS: [Serializer; 2] = [Serializer::Json, Serializer::Msgpack];

fn built_in() -> impl Iterator<Item = Serializer> {
    SERIALIZERS
        .into_iter()
        .filter(|serializer| serializer.is_built_in())
}

/// A value of every kind that serde can describe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Any {
    Unit,
    Bool(bool),
    I8(i8),
    I64(i64),
    U64(u64),
    I128(i128),
    F32(f32),
    F64(f64),
    Char(char),
    Text(String),
    Bytes(ByteBuf),
    Option(Option<Box<Any>>),
    Nothing(()),
    Named(Named),
    New(New),
    Pair(Box<Any>, i16),
    Array([u8; 3]),
    List(Vec<Any>),
    ByText(BTreeMap<String, Any>),
    ByNumber(BTreeMap<i32, Any>),
    Fields { left: Box<Any>, right: Option<u32> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Named {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left_out: Option<u8>,
    unit: Nothing,
    tuple: (u8, String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Nothing;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct New(u16);

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("JSON has finite floats only", |float| float.is_finite())
}

fn finite32() -> impl Strategy<Value = f32> {
    any::<f32>().prop_filter("JSON has finite floats only", |float| float.is_finite())
}

fn leaf() -> impl Strategy<Value = Any> {
    let named = (option::of(any::<u8>()), any::<u8>(), any::<String>());
    prop_oneof![
        Just(Any::Unit),
        Just(Any::Nothing(())),
        any::<bool>().prop_map(Any::Bool),
        any::<i8>().prop_map(Any::I8),
        any::<i64>().prop_map(Any::I64),
        any::<u64>().prop_map(Any::U64),
        any::<i64>().prop_map(|number| Any::I128(number.into())),
        finite32().prop_map(Any::F32),
        finite().prop_map(Any::F64),
        any::<char>().prop_map(Any::Char),
        any::<String>().prop_map(Any::Text),
        vec(any::<u8>(), 0..40).prop_map(|bytes| Any::Bytes(ByteBuf::from(bytes))),
        any::<u16>().prop_map(|number| Any::New(New(number))),
        any::<[u8; 3]>().prop_map(Any::Array),
        named.prop_map(|(left_out, number, text)| Any::Named(Named {
            left_out,
            unit: Nothing,
            tuple: (number, text),
        })),
    ]
}

fn anything() -> impl Strategy<Value = Any> {
    leaf().prop_recursive(4, 40, 5, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            option::of(boxed.clone()).prop_map(Any::Option),
            (boxed.clone(), any::<i16>()).prop_map(|(any, number)| Any::Pair(any, number)),
            vec(inner.clone(), 0..5).prop_map(Any::List),
            btree_map(any::<String>(), inner.clone(), 0..4).prop_map(Any::ByText),
            btree_map(any::<i32>(), inner, 0..4).prop_map(Any::ByNumber),
            (boxed, option::of(any::<u32>())).prop_map(|(left, right)| Any::Fields { left, right }),
        ]
    })
}

const PARAMETERS: &[Parameter] = &[Parameter::new("first"), Parameter::new("second")];

fn enqueued<T>(order: Order<T>, serializer: Serializer) -> omniq_core::Result<Payload> {
    let mut settings = CoreSettings::default();
    settings.max_payload = 64 << 20;
    let task = order.serializer(serializer).into_new_task(&settings)?;
    Ok(task.payload)
}

/// Binds by position, which is the direct way, and by name, which uses intermediate values.
fn read_back<T>(value: &T, serializer: Serializer) -> [Result<(T, u8), TaskError>; 2]
where
    T: Serialize + DeserializeOwned,
{
    let in_order = Order::<()>::new("f").parameter("first", value).arg(7);
    let by_name = Order::<()>::new("f")
        .kwarg("second", 7)
        .kwarg("first", value);
    [in_order, by_name].map(|order| enqueued(order, serializer).unwrap().bind(PARAMETERS))
}

proptest! {
    // A failure prints the smallest value that shows it.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn every_kind_of_value_is_read_back_unchanged(value in anything()) {
        for serializer in built_in() {
            for value_read in read_back(&value, serializer) {
                prop_assert_eq!(&value_read.unwrap(), &(value.clone(), 7), "{:?}", serializer);
            }
        }
    }

    #[test]
    fn random_bytes_are_an_error_and_not_a_panic(bytes in vec(any::<u8>(), 0..60)) {
        for serializer in built_in() {
            let payload = Payload::new(serializer.format(), bytes.clone());
            if let Err(error) = payload.bind::<(Any, u8)>(PARAMETERS) {
                prop_assert_eq!(error.error_type, "payload");
            }
        }
    }
}

#[test]
fn floats_that_are_not_finite_are_rejected_in_json_only() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let order = || Order::<()>::new("f").parameter("ratio", value);
        let error = enqueued(order(), Serializer::Json).unwrap_err().to_string();
        assert!(
            error.contains("\"ratio\"") && error.contains("JSON"),
            "{error}"
        );
        if Serializer::Msgpack.is_built_in() {
            for value_read in read_back(&value, Serializer::Msgpack) {
                assert_eq!(value_read.unwrap().0.to_bits(), value.to_bits());
            }
        }
    }
}

#[test]
fn integers_beyond_64_bits_are_rejected_by_name() {
    for serializer in built_in() {
        let order = Order::<()>::new("f").parameter("total", u128::from(u64::MAX) + 1);
        let error = enqueued(order, serializer).unwrap_err().to_string();
        assert!(
            error.contains("\"total\"") && error.contains("64 bits"),
            "{error}"
        );
    }
}

/// Neither format can distinguish `Some(None)` from `None`; this is documented.
#[test]
fn a_nested_option_loses_its_outer_layer() {
    for serializer in built_in() {
        for value_read in read_back(&Some(None::<u8>), serializer) {
            assert_eq!(value_read.unwrap().0, None);
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Nested(Vec<Nested>);

fn nested(levels: usize) -> Nested {
    (1..levels).fold(Nested(Vec::new()), |inner, _| Nested(vec![inner]))
}

#[test]
fn values_of_the_largest_depth_are_read_back() {
    for serializer in built_in() {
        for value_read in read_back(&nested(100), serializer) {
            assert_eq!(value_read.unwrap().0, nested(100));
        }
        let order = Order::<()>::new("f").kwarg("tree", nested(101));
        let error = enqueued(order, serializer).unwrap_err().to_string();
        assert!(
            error.contains("\"tree\"") && error.contains("100 levels"),
            "{error}"
        );
    }
}

#[test]
fn ten_mebibytes_are_read_back() {
    let text = "päckchen ".repeat((10 << 20) / 10);
    let text = &text[..text.floor_char_boundary(10 << 20)];
    let bytes: Vec<u8> = (0..10 << 20).map(|n: u32| n.to_le_bytes()[1]).collect();
    for serializer in built_in() {
        let order = Order::<()>::new("f")
            .arg(text)
            .arg(serde_bytes::Bytes::new(&bytes));
        let (text_read, bytes_read): (String, ByteBuf) = enqueued(order, serializer)
            .unwrap()
            .bind(PARAMETERS)
            .unwrap();
        assert!(text_read == text && bytes_read == bytes, "{serializer:?}");
    }
}

/// Such bytes are built by hand, because our own enqueue rejects them.
#[test]
fn foreign_payloads_that_are_nested_too_deep_are_an_error() {
    const DEEP: usize = 100_000;
    let json = format!("{{\"args\":[{}{}]}}", "[".repeat(DEEP), "]".repeat(DEEP));
    let mut msgpack = b"\x81\xa4args".to_vec();
    msgpack.extend([0x91; DEEP]);
    msgpack.push(0xc0);
    let bytes = [json.into_bytes(), msgpack];
    for (serializer, bytes) in SERIALIZERS.into_iter().zip(bytes) {
        let payload = Payload::new(serializer.format(), bytes);
        let error = payload
            .bind::<(serde_json::Value,)>(&PARAMETERS[..1])
            .unwrap_err();
        assert_eq!(error.error_type, "payload");
    }
}

#[test]
fn bytes_after_a_call_are_an_error() {
    for serializer in built_in() {
        let order = Order::<()>::new("f").arg(1).arg(2);
        let mut payload = enqueued(order, serializer).unwrap();
        payload.bytes.push(b'1');
        assert!(
            payload.bind::<(u8, u8)>(PARAMETERS).is_err(),
            "{serializer:?}"
        );
    }
}
