//! Parses a dropped file: `{"name": "images.resize", "args": ["cat.png"]}` and optional members.

use std::collections::BTreeMap;
use std::time::Duration;

use omniq_core::{CoreSettings, Format, NewTask, Order, Payload, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::file_name;

/// The members of a dropped file. Only the name is required. Durations are numbers of seconds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dropped<'a> {
    name: String,
    queue: Option<String>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    #[serde(borrow)]
    kwargs: Option<&'a RawValue>,
    priority: Option<i32>,
    eta: Option<Eta>,
    delay: Option<f64>,
    interval: Option<f64>,
    max_attempts: Option<u32>,
    timeout: Option<f64>,
    unique_key: Option<String>,
    headers: Option<BTreeMap<String, String>>,
}

/// Microseconds since 1970, as in a task's file, or `2026-11-28T11:29:25.123456Z`.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a number of microseconds since 1970, or a time like \"2026-11-28T11:29:25Z\""
)]
enum Eta {
    Micros(i64),
    Text(String),
}

/// Returns the task that a dropped file describes. The error is for people: what is wrong with the file.
pub(crate) fn read(text: &[u8], settings: &CoreSettings) -> Result<NewTask, String> {
    let dropped: Dropped<'_> = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    let mut order: Order<()> = Order::new(dropped.name)
        .payload(payload(dropped.args, dropped.kwargs)?)
        .priority(dropped.priority.unwrap_or(0));
    if let Some(queue) = dropped.queue {
        order = order.queue(queue);
    }
    match (dropped.eta, dropped.delay) {
        (Some(_), Some(_)) => return Err("it has `eta` and `delay`: one is enough".to_owned()),
        (Some(eta), None) => order = order.eta(eta.time()?),
        (None, Some(delay)) => order = order.delay(duration("delay", delay)?),
        (None, None) => {}
    }
    if let Some(interval) = dropped.interval {
        order = order.interval(duration("interval", interval)?);
    }
    if let Some(timeout) = dropped.timeout {
        order = order.timeout(duration("timeout", timeout)?);
    }
    if let Some(attempts) = dropped.max_attempts {
        order = order.max_attempts(attempts);
    }
    if let Some(key) = dropped.unique_key {
        order = order.unique_key(key);
    }
    let mut new = order.into_new_task(settings).map_err(|e| e.to_string())?;
    new.headers = dropped.headers.unwrap_or_default();
    Ok(new)
}

/// Builds the payload from the texts of the file, so that no number changes.
fn payload(args: Option<&RawValue>, kwargs: Option<&RawValue>) -> Result<Payload, String> {
    let (args, kwargs) = (
        args.map_or("[]", RawValue::get),
        kwargs.map_or("{}", RawValue::get),
    );
    if !args.starts_with('[') {
        return Err("`args` is not a list".to_owned());
    }
    if !kwargs.starts_with('{') {
        return Err("`kwargs` is not a map of names to values".to_owned());
    }
    let text = format!("{{\"args\":{args},\"kwargs\":{kwargs}}}");
    Ok(Payload::new(Format::Json, text.into_bytes()))
}

fn duration(member: &str, seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| format!("`{member}` is {seconds}, which is not a number of seconds"))
}

impl Eta {
    fn time(self) -> Result<Timestamp, String> {
        match self {
            Self::Micros(micros) => Ok(Timestamp(micros)),
            Self::Text(text) => file_name::parse_utc(&text).ok_or_else(|| {
                format!("`eta` is {text:?}: write a time in UTC, like \"2026-11-28T11:29:25Z\"")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use omniq_core::Due;

    use super::*;

    #[test]
    fn a_name_is_enough() {
        let new = read(br#"{"name":"a"}"#, &CoreSettings::default()).unwrap();
        assert_eq!((new.name.as_str(), new.queue.as_str()), ("a", "default"));
        assert_eq!(new.payload.bytes, br#"{"args":[],"kwargs":{}}"#);
        assert_eq!(new.eta, Due::NOW);
    }

    #[test]
    fn all_members_are_accepted() {
        let text = br#"{"name":"a","queue":"q","args":[18446744073709551615, 1.0],"kwargs":{"k":null},
            "priority":-3,"eta":"2026-11-28T11:29:25.5Z","interval":60,"max_attempts":7,"timeout":1.5,
            "unique_key":"u","headers":{"h":"1"}}"#;
        let new = read(text, &CoreSettings::default()).unwrap();
        assert_eq!(
            new.payload.bytes,
            br#"{"args":[18446744073709551615, 1.0],"kwargs":{"k":null}}"#
        );
        assert_eq!(new.eta, Due::At(Timestamp(1_795_865_365_500_000)));
        assert_eq!(new.timeout, Some(Duration::from_millis(1500)));
        assert_eq!((new.priority, new.max_attempts), (-3, 7));
        assert_eq!(new.headers["h"], "1");
    }

    #[test]
    fn errors_name_the_wrong_member() {
        let cases = [
            ("", "EOF"),
            ("{}", "name"),
            (r#"{"name":"a","nmae":1}"#, "nmae"),
            (r#"{"name":""}"#, "empty"),
            (r#"{"name":"a","args":{}}"#, "args"),
            (r#"{"name":"a","kwargs":[]}"#, "kwargs"),
            (r#"{"name":"a","delay":-1}"#, "delay"),
            (r#"{"name":"a","eta":"tomorrow"}"#, "tomorrow"),
            (r#"{"name":"a","eta":1,"delay":1}"#, "one is enough"),
            (r#"{"name":"a","max_attempts":0}"#, "max_attempts"),
            (r#"{"name":"a"} x"#, "trailing"),
        ];
        for (text, expected) in cases {
            let reason = read(text.as_bytes(), &CoreSettings::default()).unwrap_err();
            assert!(reason.contains(expected), "{expected} in {reason}");
        }
    }
}
