//! Questions about reading tasks, counting them and purging.

use omniq_core::storage::{LaneStats, PurgeRequest, QueueStats, Settled, TaskFilter};
use omniq_core::{Change, Format, TaskId, TaskStatus};

use crate::Fixture;
use crate::builders::{
    NOW, QUEUE, SECOND, at, cancel_change, due_at, failure, order, order_with, release, request,
    requeue_change, success, unknown_id,
};

pub(crate) async fn tasks_are_returned_in_the_order_of_the_ids(fixture: Fixture) {
    let (a, b) = (fixture.add(order("a")).await, fixture.add(order("b")).await);
    let requested = vec![b, unknown_id(), a, b];
    for handle in [&fixture.first, &fixture.second] {
        let found = handle.get(requested.clone()).await.expect("get");
        let names: Vec<_> = found
            .iter()
            .map(|t| t.as_ref().map(|t| t.name.as_str()))
            .collect();
        assert_eq!(names, [Some("b"), None, Some("a"), Some("b")]);
    }
}

pub(crate) async fn finished_tasks_are_distinguished(fixture: Fixture) {
    fixture.enqueue(vec![order("a"); 4], NOW).await;
    let tasks = fixture.claim(request(NOW).limit(4)).await;
    fixture.apply(success(&tasks[0], vec![]), NOW).await;
    fixture.apply(failure(&tasks[1]), NOW).await;
    fixture.apply(cancel_change(&tasks[2]), NOW).await;
    let [done, failed, cancelled, running] = [0, 1, 2, 3].map(|at: usize| tasks[at].id);
    let pending = fixture.add(order("b")).await;
    let unknown = unknown_id();
    let requested = vec![running, unknown, cancelled, pending, done, failed];
    for handle in [&fixture.first, &fixture.second] {
        let found = handle
            .finished_or_unknown(requested.clone())
            .await
            .expect("finished");
        assert_eq!(found, [unknown, cancelled, done, failed]);
        assert_eq!(
            handle.finished_or_unknown(vec![]).await.expect("finished"),
            []
        );
    }
}

async fn listed(fixture: &Fixture, filter: TaskFilter) -> Vec<TaskId> {
    let tasks = fixture.first.list_tasks(filter).await.expect("list_tasks");
    tasks.iter().map(|task| task.id).collect()
}

pub(crate) async fn a_list_is_filtered_and_paged(fixture: Fixture) {
    let mut ids = Vec::new();
    for n in 0..30 {
        let new = order_with(["a", "b"][n % 2], |new| {
            new.queue = ["q", "r"][n / 2 % 2].to_owned()
        });
        ids.push(fixture.add(new).await);
    }
    let stop = fixture.task(ids[4]).await;
    fixture.apply(cancel_change(&stop), NOW).await;
    let every = |step: usize, from: usize| {
        ids.iter()
            .skip(from)
            .step_by(step)
            .copied()
            .collect::<Vec<_>>()
    };
    let all = TaskFilter::new;
    assert_eq!(listed(&fixture, all().name("a")).await, every(2, 0));
    assert_eq!(
        listed(&fixture, all().queue("r").name("b")).await,
        every(4, 3)
    );
    assert_eq!(
        listed(&fixture, all().queue("q").status(TaskStatus::Cancelled)).await,
        [ids[4]]
    );
    assert_eq!(listed(&fixture, all().queue("s")).await, []);
    assert_eq!(listed(&fixture, all().limit(0)).await, []);
    let before = all().after(ids[0]).limit(2);
    assert_eq!(listed(&fixture, before).await, ids[1..3]);

    let (mut pages, mut page) = (Vec::new(), all().queue("q").limit(4));
    loop {
        let found = listed(&fixture, page.clone()).await;
        let Some(last) = found.last() else { break };
        page = page.after(*last);
        pages.extend(found);
    }
    let of_q: Vec<_> = ids
        .chunks(4)
        .flat_map(|four| &four[..four.len().min(2)])
        .copied()
        .collect();
    assert_eq!(pages, of_q);
}

pub(crate) async fn stats_count_each_lane(fixture: Fixture) {
    fixture.enqueue(vec![order("a"); 8], NOW).await;
    let tasks = fixture.claim(request(NOW).limit(6)).await;
    fixture.apply(success(&tasks[0], vec![]), NOW).await;
    fixture.apply(failure(&tasks[1]), NOW).await;
    fixture.apply(cancel_change(&tasks[2]), NOW).await;
    fixture.apply(release(&tasks[3]), at(-100)).await;
    let raw = order_with("a", |new| new.payload.format = Format::Raw);
    let held_back = order_with("B", |new| new.hold_count = 1);
    let orders = vec![due_at("a", at(5)), due_at("a", at(6)), raw, held_back];
    fixture.enqueue(orders, NOW).await;

    let stats = |now| {
        let fixture = fixture.clone();
        async move {
            let mut lanes = fixture.second.stats(now).await.expect("stats");
            assert!(lanes.is_sorted_by_key(|l| (l.queue.clone(), l.name.clone(), l.format)));
            lanes.retain(|lane| lane.queue == QUEUE);
            lanes
        }
    };
    let lane = |name: &str, format, change: fn(&mut QueueStats)| {
        let (queue, name) = (QUEUE.to_owned(), name.to_owned());
        let mut counts = QueueStats::default();
        change(&mut counts);
        LaneStats::new(queue, name, format, counts)
    };
    let mut expected = [
        lane("B", Format::Json, |c| c.pending = 1),
        lane("a", Format::Json, |c| {
            (c.pending, c.scheduled, c.running) = (5, 2, 2);
            (c.success, c.failed, c.cancelled) = (1, 1, 1);
        }),
        lane("a", Format::Raw, |c| c.pending = 1),
    ];
    assert_eq!(stats(NOW).await, expected);
    assert_eq!(stats(at(-50)).await, expected, "a task once due stays due");
    expected[1].counts.scheduled = 1;
    assert_eq!(stats(at(5)).await, expected);
}

/// Adds and claims a task, finishes it with this status, and returns its id.
async fn finished(fixture: &Fixture, seconds: i64, status: TaskStatus) -> TaskId {
    let task = fixture.running(order("a")).await;
    let change = match status {
        TaskStatus::Success => success(&task, vec![]),
        TaskStatus::Failed => failure(&task),
        _ => {
            let mut change = cancel_change(&task);
            change.keep_owner = false;
            change
        }
    };
    fixture.apply(change, at(seconds)).await;
    task.id
}

async fn purge(fixture: &Fixture, statuses: &[TaskStatus], age: u32, limit: usize) -> u64 {
    let statuses = statuses.iter().copied();
    let request = PurgeRequest::new(statuses, SECOND * age, at(100)).limit(limit);
    fixture.first.purge(request).await.expect("purge")
}

pub(crate) async fn a_purge_deletes_old_tasks_with_its_statuses(fixture: Fixture) {
    use TaskStatus::{Cancelled, Failed, Success};
    let old = finished(&fixture, 10, Success).await;
    let new = finished(&fixture, 90, Success).await;
    let failed = finished(&fixture, 10, Failed).await;
    let cancelled = finished(&fixture, 10, Cancelled).await;
    assert_eq!(purge(&fixture, &[], 0, 9).await, 0);
    assert_eq!(purge(&fixture, &[Success], 91, 9).await, 0, "not that old");
    assert_eq!(purge(&fixture, &[Success], 90, 9).await, 1);
    assert_eq!(fixture.find(old).await, None);
    assert_eq!(
        listed(&fixture, TaskFilter::new().queue(QUEUE)).await,
        [new, failed, cancelled]
    );
    assert_eq!(
        purge(&fixture, &[Failed, Cancelled, Success], 50, 9).await,
        2
    );
    assert_eq!(
        listed(&fixture, TaskFilter::new().queue(QUEUE)).await,
        [new]
    );
    let stats = fixture.first.stats(NOW).await.expect("stats");
    let counts: Vec<_> = stats
        .iter()
        .filter(|lane| lane.queue == QUEUE)
        .map(|lane| lane.counts.success)
        .collect();
    assert_eq!(counts, [1]);
    assert_eq!(purge(&fixture, &[Success], 0, 9).await, 1);
    let stats = fixture.first.stats(NOW).await.expect("stats");
    assert!(
        stats.iter().all(|lane| lane.queue != QUEUE),
        "an empty lane is not listed"
    );
}

pub(crate) async fn a_purge_deletes_the_oldest_first(fixture: Fixture) {
    let mut ids = Vec::new();
    for seconds in [30, 10, 20, 10, 40] {
        ids.push(finished(&fixture, seconds, TaskStatus::Failed).await);
    }
    for (limit, left) in [
        (0, vec![0, 1, 2, 3, 4]),
        (2, vec![0, 2, 4]),
        (1, vec![0, 4]),
        (9, vec![]),
    ] {
        let before = listed(&fixture, TaskFilter::new().queue(QUEUE)).await.len();
        let deleted = purge(&fixture, &[TaskStatus::Failed], 0, limit).await;
        let left: Vec<_> = left.into_iter().map(|at: usize| ids[at]).collect();
        assert_eq!(deleted as usize, before - left.len());
        assert_eq!(listed(&fixture, TaskFilter::new().queue(QUEUE)).await, left);
    }
}

pub(crate) async fn a_purge_spares_held_tasks(fixture: Fixture) {
    let cancelled = fixture.running(order("a")).await;
    fixture.apply(cancel_change(&cancelled), NOW).await;
    let running = fixture.running(order("a")).await;
    let requeued = finished(&fixture, 0, TaskStatus::Failed).await;
    let change = requeue_change(&fixture.task(requeued).await);
    fixture.apply(change, NOW).await;
    assert_eq!(purge(&fixture, &TaskStatus::ALL, 0, 99).await, 0);
    fixture
        .apply(Change::release_cancelled(&cancelled), NOW)
        .await;
    assert_eq!(purge(&fixture, &TaskStatus::ALL, 0, 99).await, 1);
    assert_eq!(
        listed(&fixture, TaskFilter::new().queue(QUEUE)).await,
        [running.id, requeued]
    );
    let late = fixture.settle(success(&cancelled, vec![]), NOW).await;
    assert_eq!(late, Settled::NotFound);
}
