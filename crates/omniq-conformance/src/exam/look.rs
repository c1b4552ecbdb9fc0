use omniq_core::settle::{cancel, requeue};
use omniq_core::storage::{LaneStats, PurgeRequest, QueueStats, Settled, TaskFilter};
use omniq_core::{Change, Format, TaskId, TaskStatus};

use crate::Scene;
use crate::orders::{
    HERE, NOW, SECOND, at, due_at, failure, order, order_with, release, success, unknown_id, wish,
};

pub(crate) async fn tasks_come_in_the_order_of_the_ids(scene: Scene) {
    let (a, b) = (scene.add(order("a")).await, scene.add(order("b")).await);
    let wished = vec![b, unknown_id(), a, b];
    for handle in [&scene.here, &scene.there] {
        let found = handle.get(wished.clone()).await.expect("get");
        let names: Vec<_> = found
            .iter()
            .map(|t| t.as_ref().map(|t| t.name.as_str()))
            .collect();
        assert_eq!(names, [Some("b"), None, Some("a"), Some("b")]);
    }
}

pub(crate) async fn the_finished_are_told_from_the_rest(scene: Scene) {
    scene.enqueue(vec![order("a"); 4], NOW).await;
    let tasks = scene.claim(wish(NOW).limit(4)).await;
    scene.done(success(&tasks[0], vec![]), NOW).await;
    scene.done(failure(&tasks[1]), NOW).await;
    scene
        .done(cancel(&tasks[2]).into_change().expect("it is running"), NOW)
        .await;
    let [done, failed, cancelled, running] = [0, 1, 2, 3].map(|at: usize| tasks[at].id);
    let pending = scene.add(order("b")).await;
    let unknown = unknown_id();
    let wished = vec![running, unknown, cancelled, pending, done, failed];
    for handle in [&scene.here, &scene.there] {
        let found = handle
            .finished_or_unknown(wished.clone())
            .await
            .expect("finished");
        assert_eq!(found, [unknown, cancelled, done, failed]);
        assert_eq!(
            handle.finished_or_unknown(vec![]).await.expect("finished"),
            []
        );
    }
}

async fn listed(scene: &Scene, filter: TaskFilter) -> Vec<TaskId> {
    let tasks = scene.here.list_tasks(filter).await.expect("list_tasks");
    tasks.iter().map(|task| task.id).collect()
}

pub(crate) async fn a_list_is_filtered_and_paged(scene: Scene) {
    let mut ids = Vec::new();
    for n in 0..30 {
        let new = order_with(["a", "b"][n % 2], |new| {
            new.queue = ["q", "r"][n / 2 % 2].to_owned()
        });
        ids.push(scene.add(new).await);
    }
    let stop = scene.task(ids[4]).await;
    scene
        .done(cancel(&stop).into_change().expect("it is pending"), NOW)
        .await;
    let every = |step: usize, from: usize| {
        ids.iter()
            .skip(from)
            .step_by(step)
            .copied()
            .collect::<Vec<_>>()
    };
    let all = TaskFilter::new;
    assert_eq!(listed(&scene, all().name("a")).await, every(2, 0));
    assert_eq!(
        listed(&scene, all().queue("r").name("b")).await,
        every(4, 3)
    );
    assert_eq!(
        listed(&scene, all().queue("q").status(TaskStatus::Cancelled)).await,
        [ids[4]]
    );
    assert_eq!(listed(&scene, all().queue("s")).await, []);
    assert_eq!(listed(&scene, all().limit(0)).await, []);
    let before = all().after(ids[0]).limit(2);
    assert_eq!(listed(&scene, before).await, ids[1..3]);

    let (mut pages, mut page) = (Vec::new(), all().queue("q").limit(4));
    loop {
        let found = listed(&scene, page.clone()).await;
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

pub(crate) async fn stats_count_each_lane(scene: Scene) {
    scene.enqueue(vec![order("a"); 8], NOW).await;
    let tasks = scene.claim(wish(NOW).limit(6)).await;
    scene.done(success(&tasks[0], vec![]), NOW).await;
    scene.done(failure(&tasks[1]), NOW).await;
    scene
        .done(cancel(&tasks[2]).into_change().expect("it is running"), NOW)
        .await;
    scene.done(release(&tasks[3]), at(-100)).await;
    let raw = order_with("a", |new| new.payload.format = Format::Raw);
    let held_back = order_with("B", |new| new.hold_count = 1);
    let orders = vec![due_at("a", at(5)), due_at("a", at(6)), raw, held_back];
    scene.enqueue(orders, NOW).await;

    let stats = |now| {
        let scene = scene.clone();
        async move {
            let mut lanes = scene.there.stats(now).await.expect("stats");
            assert!(lanes.is_sorted_by_key(|l| (l.queue.clone(), l.name.clone(), l.format)));
            lanes.retain(|lane| lane.queue == HERE);
            lanes
        }
    };
    let lane = |name: &str, format, change: fn(&mut QueueStats)| {
        let (queue, name) = (HERE.to_owned(), name.to_owned());
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

/// A task that ended with this status.
async fn ended(scene: &Scene, seconds: i64, status: TaskStatus) -> TaskId {
    let task = scene.running(order("a")).await;
    let change = match status {
        TaskStatus::Success => success(&task, vec![]),
        TaskStatus::Failed => failure(&task),
        _ => {
            let mut change = cancel(&task).into_change().expect("it is running");
            change.keep_owner = false;
            change
        }
    };
    scene.done(change, at(seconds)).await;
    task.id
}

async fn purge(scene: &Scene, statuses: &[TaskStatus], age: u32, limit: usize) -> u64 {
    let statuses = statuses.iter().copied();
    let request = PurgeRequest::new(statuses, SECOND * age, at(100)).limit(limit);
    scene.here.purge(request).await.expect("purge")
}

pub(crate) async fn a_purge_takes_old_ends_of_its_statuses(scene: Scene) {
    use TaskStatus::{Cancelled, Failed, Success};
    let old = ended(&scene, 10, Success).await;
    let new = ended(&scene, 90, Success).await;
    let failed = ended(&scene, 10, Failed).await;
    let cancelled = ended(&scene, 10, Cancelled).await;
    assert_eq!(purge(&scene, &[], 0, 9).await, 0);
    assert_eq!(purge(&scene, &[Success], 91, 9).await, 0, "not that old");
    assert_eq!(purge(&scene, &[Success], 90, 9).await, 1);
    assert_eq!(scene.find(old).await, None);
    assert_eq!(
        listed(&scene, TaskFilter::new().queue(HERE)).await,
        [new, failed, cancelled]
    );
    assert_eq!(purge(&scene, &[Failed, Cancelled, Success], 50, 9).await, 2);
    assert_eq!(listed(&scene, TaskFilter::new().queue(HERE)).await, [new]);
    let stats = scene.here.stats(NOW).await.expect("stats");
    let counts: Vec<_> = stats
        .iter()
        .filter(|lane| lane.queue == HERE)
        .map(|lane| lane.counts.success)
        .collect();
    assert_eq!(counts, [1]);
    assert_eq!(purge(&scene, &[Success], 0, 9).await, 1);
    let stats = scene.here.stats(NOW).await.expect("stats");
    assert!(
        stats.iter().all(|lane| lane.queue != HERE),
        "an empty lane is not listed"
    );
}

pub(crate) async fn a_purge_takes_the_oldest_first(scene: Scene) {
    let mut ids = Vec::new();
    for seconds in [30, 10, 20, 10, 40] {
        ids.push(ended(&scene, seconds, TaskStatus::Failed).await);
    }
    for (limit, left) in [
        (0, vec![0, 1, 2, 3, 4]),
        (2, vec![0, 2, 4]),
        (1, vec![0, 4]),
        (9, vec![]),
    ] {
        let before = listed(&scene, TaskFilter::new().queue(HERE)).await.len();
        let gone = purge(&scene, &[TaskStatus::Failed], 0, limit).await;
        let left: Vec<_> = left.into_iter().map(|at: usize| ids[at]).collect();
        assert_eq!(gone as usize, before - left.len());
        assert_eq!(listed(&scene, TaskFilter::new().queue(HERE)).await, left);
    }
}

pub(crate) async fn a_purge_spares_what_is_held(scene: Scene) {
    let cancelled = scene.running(order("a")).await;
    scene
        .done(
            cancel(&cancelled).into_change().expect("it is running"),
            NOW,
        )
        .await;
    let running = scene.running(order("a")).await;
    let requeued = ended(&scene, 0, TaskStatus::Failed).await;
    let change = requeue(&scene.task(requeued).await)
        .into_change()
        .expect("it failed");
    scene.done(change, NOW).await;
    assert_eq!(purge(&scene, &TaskStatus::ALL, 0, 99).await, 0);
    scene.done(Change::release_cancelled(&cancelled), NOW).await;
    assert_eq!(purge(&scene, &TaskStatus::ALL, 0, 99).await, 1);
    assert_eq!(
        listed(&scene, TaskFilter::new().queue(HERE)).await,
        [running.id, requeued]
    );
    let late = scene.settle(success(&cancelled, vec![]), NOW).await;
    assert_eq!(late, Settled::NotFound);
}
