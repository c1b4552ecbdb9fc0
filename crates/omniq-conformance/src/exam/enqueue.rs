//! Questions about enqueueing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use omniq_core::storage::{Enqueued, PurgeRequest, Settled, TaskFilter};
use omniq_core::{Backoff, Due, Format, NewTask, Payload, Task, TaskId, TaskStatus, Timestamp};
use tokio::task::JoinSet;

use crate::Fixture;
use crate::builders::{NOW, SECOND, at, cancel_change, order, order_with, request, success};
use crate::seed::rng;

pub(crate) async fn answers_in_order_with_rising_ids(fixture: Fixture) {
    let names: Vec<String> = (0..20).map(|n| format!("task {n}")).collect();
    let orders = names.iter().map(|name| order(name)).collect();
    let answers = fixture.enqueue(orders, NOW).await;
    assert_eq!(answers.len(), 20);
    let ids: Vec<_> = answers.iter().map(|answer| answer.id()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    for (answer, name) in answers.iter().zip(names) {
        assert!(matches!(answer, Enqueued::New(_)), "{answer:?}");
        assert_eq!(fixture.task(answer.id()).await.name, name);
    }
    let later = fixture.enqueue(vec![order("later")], at(60)).await[0].id();
    let back = fixture.enqueue(vec![order("back")], at(-60)).await[0].id();
    assert!(ids[19] < later && later < back, "the clock was set back");
}

/// Returns the ids that are larger than `floor`, of which there must be `count`.
async fn new_ids(fixture: &Fixture, floor: TaskId, count: usize) -> Vec<TaskId> {
    let filter = TaskFilter::new().after(floor);
    let tasks = fixture.second.list_tasks(filter).await.expect("list_tasks");
    let ids: Vec<_> = tasks.iter().map(|task| task.id).collect();
    assert_eq!(ids.len(), count, "new ids after {floor}: {ids:?}");
    ids
}

/// Each call assigns larger ids than all calls that returned before it, also to follow-up tasks, whichever handle
/// makes the call and whatever its time is.
pub(crate) async fn ids_rise_across_handles(fixture: Fixture) {
    let mut largest = fixture.add(order("first")).await;
    for round in 0..12 {
        let handle = [&fixture.first, &fixture.second][round % 2];
        let now = at([0, 60, -60][round % 3]);
        let count = 1 + round % 3;
        let orders = vec![order("a"); count];
        let answers = handle.enqueue(orders, now).await.expect("enqueue");
        let ids: Vec<_> = answers.into_iter().map(Enqueued::id).collect();
        assert_eq!(new_ids(&fixture, largest, count).await, ids);
        largest = ids[count - 1];

        let other = [&fixture.second, &fixture.first][round % 2];
        let claimed = other.claim(request(at(90))).await.expect("claim");
        let change = success(&claimed.tasks[0], vec![order("follow-up"); count]);
        let answers = other.settle(vec![change], at(-90)).await.expect("settle");
        assert_eq!(answers, [Settled::Applied]);
        largest = new_ids(&fixture, largest, count).await[count - 1];
    }
}

pub(crate) async fn ids_rise_while_both_handles_enqueue(fixture: Fixture) {
    let largest_returned = Arc::new(AtomicI64::new(0));
    let mut callers = JoinSet::new();
    for number in 0..6 {
        let handle = Arc::clone([&fixture.first, &fixture.second][number % 2]);
        let largest_returned = Arc::clone(&largest_returned);
        callers.spawn(async move {
            for round in 0..25 {
                let floor = largest_returned.load(Ordering::SeqCst);
                let orders = vec![order("a"); 1 + round % 3];
                let answers = handle.enqueue(orders, NOW).await.expect("enqueue");
                for id in answers.into_iter().map(|answer| answer.id().as_i64()) {
                    assert!(id > floor, "{id} was assigned after {floor}");
                    largest_returned.fetch_max(id, Ordering::SeqCst);
                }
            }
        });
    }
    callers.join_all().await;
}

pub(crate) async fn an_empty_batch_does_nothing(fixture: Fixture) {
    assert_eq!(fixture.enqueue(vec![], NOW).await, []);
    assert_eq!(fixture.first.settle(vec![], NOW).await.expect("settle"), []);
    assert_eq!(fixture.first.get(vec![]).await.expect("get"), []);
}

pub(crate) async fn a_dropped_enqueue_is_atomic(fixture: Fixture) {
    let mut rng = rng();
    for batch in 0..60 {
        let orders = vec![order(&format!("batch {batch}")); 5];
        let yields = rng.usize(0..20);
        tokio::select! {
            biased;
            answers = fixture.first.enqueue(orders, NOW) => assert_eq!(answers.expect("enqueue").len(), 5),
            () = yield_times(yields) => {}
        }
    }
    for batch in 0..60 {
        let filter = TaskFilter::new().name(format!("batch {batch}"));
        let stored = fixture.first.list_tasks(filter).await.expect("list").len();
        assert!(
            stored == 0 || stored == 5,
            "{stored} of 5 tasks were stored"
        );
    }
}

async fn yield_times(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn an_id_is_never_reused(fixture: Fixture) {
    let mut given = BTreeSet::new();
    for round in 0..5 {
        let answers = fixture.enqueue(vec![order("purged"); 3], at(-round)).await;
        for id in answers.into_iter().map(Enqueued::id) {
            assert!(given.insert(id), "{id} was given before");
            let change = cancel_change(&fixture.task(id).await);
            fixture.apply(change, NOW).await;
        }
        let purge = PurgeRequest::new([TaskStatus::Cancelled], Duration::ZERO, NOW);
        assert_eq!(fixture.first.purge(purge).await.expect("purge"), 3);
    }
}

/// Returns the expected record of a new task; the id is that of `task`.
fn expected_record(new: &NewTask, task: &Task) -> Task {
    let mut expected = task.clone();
    expected.name.clone_from(&new.name);
    expected.queue.clone_from(&new.queue);
    expected.payload = new.payload.clone();
    expected.priority = new.priority;
    expected.eta = new.eta.resolve(NOW);
    expected.interval = new.interval;
    expected.series_id = new.series_id.or(new.interval.map(|_| task.id));
    expected.max_attempts = new.max_attempts;
    expected.timeout = new.timeout;
    expected.backoff = new.backoff;
    expected.unique_key.clone_from(&new.unique_key);
    expected.hold_count = new.hold_count;
    expected.headers = new.headers.clone();
    expected.status = TaskStatus::Pending;
    expected.enqueued_at = NOW;
    (expected.attempts, expected.crashes, expected.lease) = (0, 0, 0);
    (expected.owner, expected.started_at, expected.finished_at) = (None, None, None);
    (expected.result, expected.errors) = (None, vec![]);
    expected
}

async fn assert_all_stored(fixture: &Fixture, orders: Vec<NewTask>) {
    let answers = fixture.enqueue(orders.clone(), NOW).await;
    for (new, answer) in orders.iter().zip(answers) {
        let task = fixture.task(answer.id()).await;
        assert_eq!(task, expected_record(new, &task));
    }
}

/// Runs of tasks that differ only in their payloads, with payloads of any bytes and lengths, between tasks that
/// differ in other fields.
pub(crate) async fn many_similar_tasks_are_all_stored(fixture: Fixture) {
    let mut rng = rng();
    let raw = |bytes: Vec<u8>| Payload::new(Format::Raw, bytes);
    let mut orders = Vec::new();
    for round in 0..6 {
        orders.push(order_with("alone", |new| {
            new.unique_key = Some(format!("{round}"))
        }));
        let length = rng.usize(1..40);
        let priority = rng.i32(0..2);
        for _ in 0..length {
            let bytes = (0..rng.usize(0..200)).map(|_| rng.u8(..)).collect();
            orders.push(order_with("alike", |new| {
                new.payload = raw(bytes);
                new.priority = priority;
            }));
        }
        orders.extend((0..5).map(|n| order_with("large", |new| new.payload = raw(vec![n; 5_000]))));
    }
    orders.push(order_with("every byte", |new| {
        new.payload = raw((0..=255).collect())
    }));
    assert_all_stored(&fixture, orders).await;
}

pub(crate) async fn every_field_is_stored(fixture: Fixture) {
    let first = fixture.add(order("the first of a series")).await;
    let full = order_with("full", |new| {
        new.priority = -7;
        new.eta = Due::At(at(90));
        new.interval = Some(Duration::from_micros(1_500_001));
        new.series_id = Some(first);
        new.max_attempts = 9;
        new.timeout = None;
        new.backoff = Backoff::Fixed(Duration::from_millis(250));
        new.unique_key = Some("key".to_owned());
        new.hold_count = 3;
        new.headers = [("a", "1"), ("b", "")]
            .map(|(k, v)| (k.into(), v.into()))
            .into();
    });
    let other = order_with("other", |new| {
        new.eta = Due::In(SECOND);
        new.interval = Some(SECOND);
        new.timeout = Some(Duration::from_micros(1));
        new.backoff = Backoff::Exponential {
            first: Duration::from_millis(3),
            max: Duration::from_secs(7),
        };
    });
    assert_all_stored(&fixture, vec![order("plain"), full, other]).await;
}

pub(crate) async fn any_text_and_bytes_are_stored(fixture: Fixture) {
    let texts = [
        "größe/日本語",
        "🦀\u{1F468}\u{200D}\u{1F469}",
        "'; DROP TABLE \"x\" --",
        " % _ \\ ",
        "a\0b\nc\r\t",
        "",
    ];
    let mut orders: Vec<_> = texts
        .iter()
        .map(|text| {
            order_with(text, |new| {
                new.queue = format!("here {text}");
                new.unique_key = Some((*text).to_owned());
                new.headers = [((*text).to_owned(), (*text).to_owned())].into();
            })
        })
        .collect();
    let every_byte: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    let large = every_byte.repeat(2048);
    assert_eq!(large.len(), 1024 * 1024);
    for format in Format::ALL {
        for bytes in [vec![], vec![0], every_byte.clone(), large.clone()] {
            orders.push(order_with("bytes", |new| {
                new.payload = Payload::new(format, bytes)
            }));
        }
    }
    assert_all_stored(&fixture, orders).await;
}

pub(crate) async fn extreme_values_are_stored(fixture: Fixture) {
    let low = order_with("low", |new| {
        new.priority = i32::MIN;
        new.eta = Due::At(Timestamp(i64::MIN));
        new.max_attempts = 1;
        new.timeout = Some(Duration::ZERO);
        new.backoff = Backoff::Fixed(Duration::ZERO);
    });
    let years = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let high = order_with("high", |new| {
        new.priority = i32::MAX;
        new.eta = Due::At(Timestamp(i64::MAX));
        new.max_attempts = u32::MAX;
        new.hold_count = u32::MAX;
        new.interval = Some(years);
        new.timeout = Some(years);
        new.backoff = Backoff::Fixed(years);
    });
    assert_all_stored(&fixture, vec![low, high]).await;
}
