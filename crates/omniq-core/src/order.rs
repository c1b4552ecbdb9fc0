use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;

use crate::arguments::Arguments;
use crate::{
    Backoff, CoreSettings, Due, Error, ErrorKind, NewTask, Payload, Result, Schedule, Serializer,
    Timestamp,
};

/// What a caller asks to be enqueued: a call, and what to do differently from the defaults. `T` is what
/// the task returns.
#[must_use = "an order does nothing until it is enqueued"]
pub struct Order<T> {
    parts: Parts,
    output: PhantomData<fn() -> T>,
}

/// What an order says, whatever its task returns.
struct Parts {
    name: String,
    arguments: Arguments,
    payload: Option<Payload>,
    serializer: Option<Serializer>,
    eta: Due,
    interval: Option<Duration>,
    queue: Option<String>,
    priority: i32,
    max_attempts: Option<u32>,
    timeout: Option<Duration>,
    backoff: Option<Backoff>,
    unique_key: Option<String>,
    headers: BTreeMap<String, String>,
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
        let parts = Parts {
            name: name.into(),
            arguments: Arguments::default(),
            payload: None,
            serializer: None,
            eta: Due::NOW,
            interval: None,
            queue: None,
            priority: 0,
            max_attempts: None,
            timeout: None,
            backoff: None,
            unique_key: None,
            headers: BTreeMap::new(),
        };
        Self {
            parts,
            output: PhantomData,
        }
    }

    /// One more argument in order. A value that can't be written is an error at enqueue.
    pub fn arg(mut self, value: impl Serialize) -> Self {
        self.parts.arguments.add(None, &value);
        self
    }

    /// One more argument in order, for the parameter of this name: errors will name it.
    pub fn parameter(mut self, name: &'static str, value: impl Serialize) -> Self {
        self.parts.arguments.add(Some(name), &value);
        self
    }

    /// One more argument by name. A value that can't be written is an error at enqueue.
    pub fn kwarg(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.parts.arguments.add_named(name.into(), &value);
        self
    }

    /// The arguments in one piece, written elsewhere: in a format that only the handler's language reads
    /// (`pickle`, `raw`), or as `{"args": […], "kwargs": {…}}`. They are carried as they are, and must be the
    /// only arguments.
    pub fn payload(mut self, payload: Payload) -> Self {
        self.parts.payload = Some(payload);
        self
    }

    /// How the arguments and the result are written; from the settings by default.
    pub fn serializer(mut self, serializer: Serializer) -> Self {
        self.parts.serializer = Some(serializer);
        self
    }

    /// Not before this time.
    pub fn eta(mut self, time: impl Into<Timestamp>) -> Self {
        self.parts.eta = Due::At(time.into());
        self
    }

    /// Not before so long after the enqueue.
    pub fn delay(mut self, span: Duration) -> Self {
        self.parts.eta = Due::In(span);
        self
    }

    /// Again and again: the next run comes so long after the finish of the last, also after a final
    /// failure. Each run is a task of its own, linked by `series_id`; the series ends when its unfinished
    /// member is cancelled, so look that one up (by name and status) instead of keeping the first id.
    pub fn interval(mut self, span: Duration) -> Self {
        self.parts.interval = Some(span);
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
        self.parts.queue = Some(queue.into());
        self
    }

    /// Higher first; 0 by default.
    pub fn priority(mut self, priority: i32) -> Self {
        self.parts.priority = priority;
        self
    }

    /// The total number of executions, at least 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.parts.max_attempts = Some(attempts);
        self
    }

    /// The time limit of one attempt.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.parts.timeout = Some(limit);
        self
    }

    /// The wait between attempts.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.parts.backoff = Some(backoff);
        self
    }

    /// While an unfinished task of this name holds the key, enqueueing answers with that one. So does one
    /// that was cancelled while it ran, until its handler has stopped.
    pub fn unique_key(mut self, key: impl Into<String>) -> Self {
        self.parts.unique_key = Some(key.into());
        self
    }

    /// Adds a small text that travels with the task: a tenant, a request id, a trace. Handlers read it with
    /// `TaskContext::headers`, and everybody as `Task::headers`; the next runs of a task that repeats have it
    /// too. A second header of the same name replaces the first. An empty name is an error at enqueue.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parts.headers.insert(name.into(), value.into());
        self
    }

    /// The same order without the type of its result, so that orders for different tasks fit into one list:
    /// `enqueue_many([a.untyped(), b.untyped()])` enqueues all of them or none. Its handle returns the result
    /// as a [`serde_json::Value`].
    pub fn untyped(self) -> Order<serde_json::Value> {
        Order {
            parts: self.parts,
            output: PhantomData,
        }
    }

    /// The task to enqueue, with the defaults filled in; every error of the order surfaces here.
    pub fn into_new_task(self, defaults: &CoreSettings) -> Result<NewTask> {
        self.parts.into_new_task(defaults)
    }
}

impl Parts {
    fn into_new_task(self, defaults: &CoreSettings) -> Result<NewTask> {
        self.check()?;
        let serializer = self.serializer.unwrap_or(defaults.serializer);
        let (name, arguments) = (self.name, self.arguments);
        let payload = match self.payload {
            Some(payload) => payload,
            None => encode(&name, arguments, serializer)?,
        };
        check_size(&name, &payload, defaults.max_payload)?;
        Ok(NewTask {
            priority: self.priority,
            eta: self.eta,
            interval: self.interval,
            max_attempts: self.max_attempts.unwrap_or(defaults.max_attempts),
            timeout: self.timeout.or(defaults.timeout),
            backoff: self.backoff.unwrap_or(defaults.backoff),
            unique_key: self.unique_key,
            headers: self.headers,
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
        if self.headers.contains_key("") {
            return wrong("the name of a header is empty: give it one");
        }
        if self.interval == Some(Duration::ZERO) {
            return wrong("the interval is zero: it must be longer");
        }
        if self.timeout == Some(Duration::ZERO) {
            return wrong("the timeout is zero: it must be longer");
        }
        if self.payload.is_some() && !self.arguments.is_empty() {
            return wrong("it has a payload and arguments: give one or the other");
        }
        Ok(())
    }
}

fn encode(task: &str, arguments: Arguments, serializer: Serializer) -> Result<Payload> {
    if !serializer.is_built_in() {
        let text = format!(
            "the task {task:?} is to be written as {:?}, but this program was built without it: add the \
             feature \"msgpack\" to omniq in Cargo.toml",
            serializer.format().as_str()
        );
        return Err(Error::new(ErrorKind::Settings, text));
    }
    arguments.encode(serializer.format()).map_err(|e| {
        let text = format!("a call of task {task:?}: {e}");
        Error::new(ErrorKind::Serialization, text).with_source(e)
    })
}

fn check_size(task: &str, payload: &Payload, limit: usize) -> Result<()> {
    let size = payload.bytes.len();
    if size <= limit {
        return Ok(());
    }
    let text = format!(
        "the arguments of task {task:?} take {size} bytes, but the limit is {limit}: pass a path or a key \
         instead of the data, or raise max_payload in the settings"
    );
    Err(Error::new(ErrorKind::Serialization, text))
}

impl<T> fmt::Debug for Order<T> {
    /// Without the arguments, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("name", &self.parts.name)
            .field("eta", &self.parts.eta)
            .field("queue", &self.parts.queue)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;

    fn made<T>(order: Order<T>) -> Result<NewTask> {
        order.into_new_task(&CoreSettings::default())
    }

    fn raw() -> Payload {
        Payload::new(Format::Raw, vec![0, 255])
    }

    #[test]
    fn opaque_arguments_are_carried_as_they_are() {
        assert_eq!(made(call("f").payload(raw())).unwrap().payload, raw());
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
            (call("f").header("", "x"), "name of a header"),
            (call("f").interval(zero), "interval is zero"),
            (call("f").timeout(zero), "timeout is zero"),
            (call("f").arg(0).arg(f64::NAN), "number 2"),
            (call("f").kwarg("ratio", f32::INFINITY), "\"ratio\""),
            (
                call("f").kwarg("a", 1).kwarg("a", 2),
                "\"a\" was given twice",
            ),
            (call("f").arg("x".repeat(1024 * 1024)), "max_payload"),
            (call("f").parameter("width", f64::NAN), "\"width\""),
            (call("f").arg(1).payload(raw()), "one or the other"),
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
    fn headers_travel_with_the_task() {
        let order = call("f").header("tenant", "acme").header("tenant", "b");
        let task = made(order.header("trace", "7").untyped()).unwrap();
        let headers: Vec<_> = task.headers.into_iter().collect();
        let expected = [("tenant", "b"), ("trace", "7")];
        assert_eq!(headers, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
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
