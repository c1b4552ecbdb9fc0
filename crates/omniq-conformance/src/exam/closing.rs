//! Questions about closing a storage. They close storages of their own, because the bystanders are checked at the
//! end of each question.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use omniq_core::storage::{ClaimFilter, Enqueued, ProgressUpdate, PurgeRequest, TaskFilter};
use omniq_core::{ErrorKind, Result, Storage, TaskStatus};
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;

use crate::Fixture;
use crate::builders::{NOW, SECOND, order, request, request_for, success};
use crate::exam::parked::park_after_query;

async fn close(storage: &dyn Storage) {
    storage.close().await.expect("close");
}

fn assert_closed<T: Debug>(operation: &str, answer: Result<T>) {
    let error = answer.expect_err(operation);
    assert_eq!(error.kind(), ErrorKind::Closed, "{operation}: {error:?}");
}

async fn assert_all_closed(storage: &dyn Storage, fixture: &Fixture) {
    let task = fixture.running(order("a")).await;
    let leases = || vec![task.lease()];
    let progress = vec![ProgressUpdate::new(task.lease(), 0.5, "half")];
    let purge = PurgeRequest::new([TaskStatus::Failed], SECOND, NOW);
    let changes = vec![success(&task, vec![])];
    let s = storage;
    assert_closed("enqueue", s.enqueue(vec![order("a")], NOW).await);
    assert_closed("claim", s.claim(request(NOW)).await);
    assert_closed("a parked claim", s.claim(request(NOW).park(None)).await);
    assert_closed("renew", s.renew(leases(), SECOND).await);
    assert_closed("held", s.held(leases()).await);
    assert_closed("record_progress", s.record_progress(progress, NOW).await);
    assert_closed("settle", s.settle(changes, NOW).await);
    assert_closed("orphans", s.orphans(Duration::from_secs(5), 9).await);
    assert_closed("get", s.get(vec![task.id]).await);
    let finished = s.finished_or_unknown(vec![task.id]).await;
    assert_closed("finished_or_unknown", finished);
    assert_closed("list_tasks", s.list_tasks(TaskFilter::new()).await);
    assert_closed("stats", s.stats(NOW).await);
    assert_closed("purge", s.purge(purge).await);
    // It has no answer, and must not panic.
    s.mark_started(task.owner.expect("it is running"), 0, task.lease());
    let mut watch = s.watch();
    assert_eq!(watch.next().await, None, "a stream of a closed storage");
}

pub(crate) async fn every_operation_fails_after_close(fixture: Fixture) {
    let subject = Fixture::open(fixture.open).await;
    close(&*subject.first).await;
    // The leases are those of another storage: a closed one rejects the call before it reads them.
    assert_all_closed(&*subject.first, &fixture).await;
}

pub(crate) async fn closing_twice_is_allowed(fixture: Fixture) {
    let subject = Fixture::open(fixture.open).await;
    let both = tokio::join!(subject.first.close(), subject.first.close());
    assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
    close(&*subject.first).await;
    assert_all_closed(&*subject.first, &fixture).await;
}

/// Whether the storage has a second handle, which stays open.
fn has_second_handle(fixture: &Fixture) -> bool {
    !Arc::ptr_eq(&fixture.first, &fixture.second)
}

/// A handle closes nothing but itself: the second one, if there is one, has all tasks and still works.
pub(crate) async fn other_handles_work_after_close(fixture: Fixture) {
    let subject = Fixture::open(fixture.open).await;
    let id = subject.add(order("a")).await;
    let running = subject.running_of(id).await;
    let mut watch = subject.second.watch();
    close(&*subject.first).await;
    if !has_second_handle(&subject) {
        assert_all_closed(&*subject.second, &fixture).await;
        return;
    }
    let second = subject.through_second();
    assert_eq!(second.task(id).await, running);
    second.apply(success(&running, vec![order("b")]), NOW).await;
    let follow_up = second.claim_one(NOW).await;
    assert_eq!(follow_up.name, "b");
    assert!(second.add(order("c")).await > follow_up.id);
    watch.next().await.expect("its stream goes on");
    second.assert_bystanders_unchanged().await;
}

/// Tasks are enqueued while the storage closes. Each answer must be true.
pub(crate) async fn acknowledged_tasks_survive_close(fixture: Fixture) {
    for round in 0..5 {
        let subject = Fixture::open(fixture.open).await;
        let before = subject.add(order("before")).await;
        let mut calls = JoinSet::new();
        for number in 0..40 {
            let (storage, name) = (Arc::clone(&subject.first), format!("task {number}"));
            calls.spawn(async move {
                let answer = storage.enqueue(vec![order(&name)], NOW).await;
                (name, answer)
            });
        }
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        close(&*subject.first).await;
        let answers = calls.join_all().await;
        for (name, answer) in answers {
            let stored = match answer {
                Ok(answers) => answers.into_iter().map(Enqueued::id).collect(),
                Err(error) if error.is_unknown() => continue,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}");
                    vec![]
                }
            };
            if has_second_handle(&subject) {
                let filter = TaskFilter::new().name(&name);
                let found = subject.second.list_tasks(filter).await.expect("list_tasks");
                let found: Vec<_> = found.iter().map(|task| task.id).collect();
                assert_eq!(found, stored, "{name}");
            }
        }
        if has_second_handle(&subject) {
            let found = subject.second.get(vec![before]).await.expect("get");
            assert!(found[0].is_some());
        }
    }
}

pub(crate) async fn parked_claims_end(fixture: Fixture) {
    let subject = Fixture::open(fixture.open).await;
    let mut claims = JoinSet::new();
    for number in 0..8 {
        let storage = Arc::clone(&subject.first);
        let filter = ClaimFilter::any().names([format!("task {number}")]);
        claims.spawn(async move { storage.claim(request_for(filter, NOW).park(None)).await });
    }
    let parked = park_after_query(&subject, request(NOW)).await;
    let (parked, ()) = tokio::join!(parked, close(&*subject.first));
    let mut answers = claims.join_all().await;
    answers.push(parked);
    for answer in answers {
        match answer {
            Ok(claimed) => assert_eq!(claimed.tasks, [], "there are no tasks with this name"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}"),
        }
    }
}

pub(crate) async fn watch_streams_end(fixture: Fixture) {
    let subject = Fixture::open(fixture.open).await;
    let mut watches = [subject.first.watch(), subject.first.watch()];
    subject.add(order("a")).await;
    close(&*subject.first).await;
    for watch in &mut watches {
        // Signals from before the close may still come.
        while watch.next().await.is_some() {}
    }
}
