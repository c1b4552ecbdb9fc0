//! An order: what a caller asks to be enqueued.

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

/// An order: a call that is to be enqueued, and the options that differ from the defaults. `T` is the type of
/// the task's result.
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

/// Returns an order by name, for tasks that are defined in another program or language.
///
/// ```
/// let order = omniq_core::call("images.resize").arg("cat.png").kwarg("width", 640).priority(10);
/// ```
pub fn call(name: impl Into<String>) -> Order<serde_json::Value> {
    Order::new(name)
}

impl<T> Order<T> {
    /// Returns an order for the task with this name, without arguments.
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

    /// Adds a positional argument. If it can't be serialized, enqueueing fails.
    pub fn arg(mut self, value: impl Serialize) -> Self {
        self.parts.arguments.add(None, &value);
        self
    }

    /// Adds a positional argument for the parameter with this name: errors name it.
    pub fn parameter(mut self, name: &'static str, value: impl Serialize) -> Self {
        self.parts.arguments.add(Some(name), &value);
        self
    }

    /// Adds a named argument. If it can't be serialized, enqueueing fails.
    pub fn kwarg(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        self.parts.arguments.add_named(name.into(), &value);
        self
    }

    /// Sets all arguments at once, already serialized: in a format that only the handler's language reads
    /// (`pickle`, `raw`), or as `{"args": […], "kwargs": {…}}`. They are passed on unchanged, and no other
    /// arguments may be given.
    pub fn payload(mut self, payload: Payload) -> Self {
        self.parts.payload = Some(payload);
        self
    }

    /// Sets how the arguments and the result are serialized. The default is that of the settings.
    pub fn serializer(mut self, serializer: Serializer) -> Self {
        self.parts.serializer = Some(serializer);
        self
    }

    /// Sets the earliest time at which the task runs.
    pub fn eta(mut self, time: impl Into<Timestamp>) -> Self {
        self.parts.eta = Due::At(time.into());
        self
    }

    /// Sets the earliest time at which the task runs, counted from the enqueue.
    pub fn delay(mut self, span: Duration) -> Self {
        self.parts.eta = Due::In(span);
        self
    }

    /// Repeats the task: the next run starts this long after the last one has finished, also after a final
    /// failure. Each run is a separate task, and `series_id` links them. The series ends when its unfinished
    /// member is cancelled; find that member by name and status, because the first id is that of the first run.
    pub fn interval(mut self, span: Duration) -> Self {
        self.parts.interval = Some(span);
        self
    }

    /// Sets the eta or the interval from a value.
    pub fn schedule(self, schedule: Schedule) -> Self {
        match schedule {
            Schedule::Once(time) => self.eta(time),
            Schedule::Every(span) => self.interval(span),
        }
    }

    /// Sets the queue.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.parts.queue = Some(queue.into());
        self
    }

    /// Sets the priority: tasks with a higher one are claimed first. The default is 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.parts.priority = priority;
        self
    }

    /// Sets the total number of attempts, at least 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.parts.max_attempts = Some(attempts);
        self
    }

    /// Sets the time limit of each attempt.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.parts.timeout = Some(limit);
        self
    }

    /// Sets the wait between attempts.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.parts.backoff = Some(backoff);
        self
    }

    /// Sets the unique key. While an unfinished task with the same name and key exists, enqueueing returns that
    /// task instead of a new one. A task that was cancelled while it ran counts until its handler has stopped.
    pub fn unique_key(mut self, key: impl Into<String>) -> Self {
        self.parts.unique_key = Some(key.into());
        self
    }

    /// Adds a small text that travels with the task: a tenant, a request id, a trace. Handlers read it with
    /// `TaskContext::headers`, and everybody as `Task::headers`; the next runs of a task that repeats have it
    /// too. A second header of the same name replaces the first. An empty name is an error at enqueue. Names and
    /// values count towards the limit `max_payload`.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parts.headers.insert(name.into(), value.into());
        self
    }

    /// Returns the same order without the type of its result, so that orders for different tasks fit into one list:
    /// `enqueue_many([a.untyped(), b.untyped()])` enqueues all of them or none. Its handle returns the result
    /// as a [`serde_json::Value`].
    pub fn untyped(self) -> Order<serde_json::Value> {
        Order {
            parts: self.parts,
            output: PhantomData,
        }
    }

    /// Returns the task to enqueue, with the defaults filled in.
    ///
    /// # Errors
    ///
    /// Of kind [`ErrorKind::Settings`], if an option has an invalid value, and of kind
    /// [`ErrorKind::Serialization`], if an argument can't be serialized or all of them are larger than
    /// `max_payload`. The text names the option or the argument.
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
        check_size(&name, &payload, &self.headers, defaults.max_payload)?;
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
            "the arguments of task {task:?} are to be serialized as {:?}, but this program was built without \
             it: add the feature \"msgpack\" to omniq in Cargo.toml",
            serializer.format().as_str()
        );
        return Err(Error::new(ErrorKind::Settings, text));
    }
    arguments
        .encode(serializer.format())
        .map_err(|e| e.prefixed(format_args!("a call of task {task:?}")))
}

fn check_size(
    task: &str,
    payload: &Payload,
    headers: &BTreeMap<String, String>,
    limit: usize,
) -> Result<()> {
    let in_headers: usize = headers.iter().map(|(k, v)| k.len() + v.len()).sum();
    let size = payload.bytes.len().saturating_add(in_headers);
    if size <= limit {
        return Ok(());
    }
    let what = if in_headers == 0 {
        "arguments"
    } else {
        "arguments and headers"
    };
    let text = format!(
        "the {what} of task {task:?} take {size} bytes, but the limit is {limit}: pass a path or a key \
         instead of the data, or raise max_payload in the settings"
    );
    Err(Error::new(ErrorKind::Serialization, text))
}

impl<T> fmt::Debug for Order<T> {
    /// Leaves out the arguments, which may be secret.
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

    fn new_task<T>(order: Order<T>) -> Result<NewTask> {
        order.into_new_task(&CoreSettings::default())
    }

    fn raw() -> Payload {
        Payload::new(Format::Raw, vec![0, 255])
    }

    #[test]
    fn opaque_arguments_are_passed_on_unchanged() {
        assert_eq!(new_task(call("f").payload(raw())).unwrap().payload, raw());
    }

    #[test]
    fn a_call_is_serialized_as_args_and_kwargs() {
        let task = new_task(call("f").arg(1).arg("x").kwarg("k\"", [true])).unwrap();
        assert_eq!(
            String::from_utf8(task.payload.bytes).unwrap(),
            r#"{"args":[1,"x"],"kwargs":{"k\"":[true]}}"#
        );
        assert_eq!((task.queue.as_str(), task.max_attempts), ("default", 3));
    }

    #[test]
    fn errors_of_invalid_orders_name_the_option_or_argument() {
        let zero = Duration::ZERO;
        let cases = [
            (call("").arg(1), "name is empty"),
            (call("f").queue(""), "queue's name"),
            (call("f").max_attempts(0), "max_attempts is 0"),
            (call("f").header("", "x"), "name of a header"),
            (call("f").header("x", "x".repeat(1024 * 1024)), "headers"),
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
            let error = new_task(order).unwrap_err();
            assert!(
                error.to_string().contains(expected),
                "{expected} in {error}"
            );
        }
    }

    #[test]
    fn headers_travel_with_the_task() {
        let order = call("f").header("tenant", "acme").header("tenant", "b");
        let task = new_task(order.header("trace", "7").untyped()).unwrap();
        let headers: Vec<_> = task.headers.into_iter().collect();
        let expected = [("tenant", "b"), ("trace", "7")];
        assert_eq!(headers, expected.map(|(k, v)| (k.to_owned(), v.to_owned())));
    }

    #[test]
    fn debug_leaves_out_arguments() {
        let text = format!("{:?}", call("login").arg("hunter2"));
        assert!(
            text.contains("login") && !text.contains("hunter2"),
            "{text}"
        );
    }
}
