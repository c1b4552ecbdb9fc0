use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;

use crate::payload::encode_json;
use crate::{
    Backoff, CoreSettings, Due, Error, ErrorKind, Format, NewTask, Payload, Result, Schedule,
    Timestamp,
};

/// What a caller asks to be enqueued: a call, and what to do differently from the defaults. `T` is what
/// the task returns.
#[must_use = "an order does nothing until it is enqueued"]
pub struct Order<T> {
    name: String,
    args: Vec<Result<String>>,
    kwargs: Vec<(String, Result<String>)>,
    eta: Due,
    interval: Option<Duration>,
    queue: Option<String>,
    priority: i32,
    max_attempts: Option<u32>,
    timeout: Option<Duration>,
    backoff: Option<Backoff>,
    unique_key: Option<String>,
    output: PhantomData<fn() -> T>,
}

/// An order by name, for tasks that are written elsewhere or in another language.
///
/// ```
/// let order = omniq_core::call("images.resize").arg("cat.png").kwarg("width", 640).priority(10);
/// ```
pub fn call(name: impl Into<String>) -> Order<serde_json::Value> {
    Order::new(name)
}

impl<T> Order<T> {
    /// An order for the task of this name, without arguments.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            args: Vec::new(),
            kwargs: Vec::new(),
            eta: Due::NOW,
            interval: None,
            queue: None,
            priority: 0,
            max_attempts: None,
            timeout: None,
            backoff: None,
            unique_key: None,
            output: PhantomData,
        }
    }

    /// One more argument in order. A value that can't be written is an error at enqueue.
    pub fn arg(mut self, value: impl Serialize) -> Self {
        self.args.push(to_text(&value));
        self
    }

    /// One more argument by name. A value that can't be written is an error at enqueue.
    pub fn kwarg(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.kwargs.push((name.into(), to_text(&value)));
        self
    }

    /// Not before this time.
    pub fn eta(mut self, time: impl Into<Timestamp>) -> Self {
        self.eta = Due::At(time.into());
        self
    }

    /// Not before so long after the enqueue.
    pub fn delay(mut self, span: Duration) -> Self {
        self.eta = Due::In(span);
        self
    }

    /// Again and again: the next run comes so long after the finish of the last, also after a final
    /// failure. Each run is a task of its own, linked by `series_id`; the series ends when its unfinished
    /// member is cancelled, so look that one up (by name and status) instead of keeping the first id.
    pub fn interval(mut self, span: Duration) -> Self {
        self.interval = Some(span);
        self
    }

    /// An eta or an interval, as a value.
    pub fn schedule(self, schedule: Schedule) -> Self {
        match schedule {
            Schedule::Once(time) => self.eta(time),
            Schedule::Every(span) => self.interval(span),
        }
    }

    /// The line to stand in.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// Higher first; 0 by default.
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// The total number of executions, at least 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// The time limit of one attempt.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// The wait between attempts.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// While an unfinished task of this name holds the key, enqueueing answers with that one. So does one
    /// that was cancelled while it ran, until its handler has stopped.
    pub fn unique_key(mut self, key: impl Into<String>) -> Self {
        self.unique_key = Some(key.into());
        self
    }

    /// The task to enqueue, with the defaults filled in; every error of the order surfaces here.
    pub fn into_new_task(self, defaults: &CoreSettings) -> Result<NewTask> {
        self.check()?;
        let Self {
            name, args, kwargs, ..
        } = self;
        let payload = encode_call(&name, args, kwargs, defaults)?;
        Ok(NewTask {
            priority: self.priority,
            eta: self.eta,
            interval: self.interval,
            max_attempts: self.max_attempts.unwrap_or(defaults.max_attempts),
            timeout: self.timeout.or(defaults.timeout),
            backoff: self.backoff.unwrap_or(defaults.backoff),
            unique_key: self.unique_key,
            ..NewTask::new(
                name,
                self.queue.unwrap_or_else(|| defaults.queue.clone()),
                payload,
            )
        })
    }

    fn check(&self) -> Result<()> {
        let wrong = |text: &str| {
            let text = format!("the order for task {:?}: {text}", self.name);
            Err(Error::new(ErrorKind::Settings, text))
        };
        if self.name.is_empty() {
            return wrong("the name is empty: give the handler's name");
        }
        if self.queue.as_deref() == Some("") {
            return wrong("the queue's name is empty: leave it out for the default queue");
        }
        if self.max_attempts == Some(0) {
            return wrong("max_attempts is 0: it counts executions and must be at least 1");
        }
        if self.interval == Some(Duration::ZERO) {
            return wrong("the interval is zero: it must be longer");
        }
        if self.timeout == Some(Duration::ZERO) {
            return wrong("the timeout is zero: it must be longer");
        }
        Ok(())
    }
}

fn to_text<V: Serialize>(value: &V) -> Result<String> {
    let bytes = encode_json(value)?;
    String::from_utf8(bytes)
        .map_err(|e| Error::new(ErrorKind::Serialization, "JSON that is not UTF-8").with_source(e))
}

/// `{"args":[…],"kwargs":{…}}`, from parts that are JSON already.
fn encode_call(
    task: &str,
    args: Vec<Result<String>>,
    kwargs: Vec<(String, Result<String>)>,
    defaults: &CoreSettings,
) -> Result<Payload> {
    if defaults.format != Format::Json {
        let name = defaults.format.as_str();
        let text = format!("arguments can't be written in the format {name:?} here: use \"json\"");
        return Err(Error::new(ErrorKind::Settings, text));
    }
    let refused = |parameter: &str, e: Error| {
        let text = format!("the argument {parameter} of task {task:?}: {e}");
        Error::new(ErrorKind::Serialization, text).with_source(e)
    };
    let mut json = String::from("{\"args\":[");
    for (at, value) in args.into_iter().enumerate() {
        json.push_str(if at > 0 { "," } else { "" });
        json.push_str(&value.map_err(|e| refused(&format!("number {}", at + 1), e))?);
    }
    json.push_str("],\"kwargs\":{");
    let mut names = std::collections::BTreeSet::new();
    for (at, (name, value)) in kwargs.into_iter().enumerate() {
        json.push_str(if at > 0 { "," } else { "" });
        json.push_str(&to_text(&name)?);
        json.push(':');
        json.push_str(&value.map_err(|e| refused(&format!("{name:?}"), e))?);
        if let Some(name) = names.replace(name) {
            let text = format!("the argument {name:?} of task {task:?} was given twice");
            return Err(Error::new(ErrorKind::Serialization, text));
        }
    }
    json.push_str("}}");
    if json.len() > defaults.max_payload {
        let text = format!(
            "the arguments of task {task:?} take {} bytes, but the limit is {}: pass a path or a key \
             instead of the data, or raise max_payload in the settings",
            json.len(),
            defaults.max_payload
        );
        return Err(Error::new(ErrorKind::Serialization, text));
    }
    Ok(Payload::new(Format::Json, json.into_bytes()))
}

impl<T> fmt::Debug for Order<T> {
    /// Without the arguments, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("name", &self.name)
            .field("eta", &self.eta)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made<T>(order: Order<T>) -> Result<NewTask> {
        order.into_new_task(&CoreSettings::default())
    }

    #[test]
    fn a_call_is_written_as_args_and_kwargs() {
        let task = made(call("f").arg(1).arg("x").kwarg("k\"", [true])).unwrap();
        assert_eq!(
            String::from_utf8(task.payload.bytes).unwrap(),
            r#"{"args":[1,"x"],"kwargs":{"k\"":[true]}}"#
        );
        assert_eq!((task.queue.as_str(), task.max_attempts), ("default", 3));
    }

    #[test]
    fn bad_orders_are_refused_with_the_name_of_the_option_or_argument() {
        let zero = Duration::ZERO;
        let cases = [
            (call("").arg(1), "name is empty"),
            (call("f").queue(""), "queue's name"),
            (call("f").max_attempts(0), "max_attempts is 0"),
            (call("f").interval(zero), "interval is zero"),
            (call("f").timeout(zero), "timeout is zero"),
            (call("f").arg(0).arg(f64::NAN), "number 2"),
            (call("f").kwarg("ratio", f32::INFINITY), "\"ratio\""),
            (
                call("f").kwarg("a", 1).kwarg("a", 2),
                "\"a\" of task \"f\" was given twice",
            ),
            (call("f").arg("x".repeat(1024 * 1024)), "max_payload"),
        ];
        for (order, expected) in cases {
            let error = made(order).unwrap_err();
            assert!(
                error.to_string().contains(expected),
                "{expected} in {error}"
            );
        }
    }

    #[test]
    fn debug_keeps_arguments_to_itself() {
        let text = format!("{:?}", call("login").arg("hunter2"));
        assert!(
            text.contains("login") && !text.contains("hunter2"),
            "{text}"
        );
    }
}
