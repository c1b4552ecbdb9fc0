//! Tests `complete_in`: a task's success in the application's own transaction.

use std::time::Duration;

use omniq_core::storage::Signal;
use omniq_core::{ErrorKind, Outcome, Storage, Task, TaskError, TaskStatus, settle};
use omniq_sqlite::SqliteStorage;
use tokio_stream::StreamExt as _;

use crate::common::{NOW, TestDatabase, claim_of, enqueue, task, within};
use crate::in_transaction::{
    BOOK, Execution, claimed, count, get, immediate, without_polls, write_entry,
};

/// The pool settles an execution as always. Waiters have not been notified before that the task has succeeded.
#[tokio::test]
async fn waiters_are_notified_of_a_completion_when_it_is_settled() {
    let db = TestDatabase::new();
    let (here, there) = (without_polls(&db.path), without_polls(&db.path));
    let mut conn = db.plain();
    let id = enqueue(&here, task("a", 1)).await.unwrap();
    let execution = Execution(claimed(&here, "a").await, Vec::new());
    let mut watches = [here.watch(), there.watch()];
    let tx = immediate(&mut conn);
    here.complete_in(&tx, &execution, &1).unwrap();
    tx.commit().unwrap();
    let failure = Outcome::Failed(TaskError::fatal("too late"));
    let change = settle::settle(&execution.0, failure, NOW, 0.0).unwrap();
    let answers = within(here.settle(vec![change], NOW)).await.unwrap();
    assert!(answers[0].is_success_under(execution.0.lease));
    let is_finished = |signal: &Signal| matches!(signal, Signal::Finished(ids) if ids[..] == [id]);
    loop {
        let signal = within(watches[0].next()).await.unwrap();
        if is_finished(&signal) {
            break;
        }
    }
    assert_eq!(within(watches[1].next()).await, Some(Signal::Unknown));
}

#[tokio::test]
async fn a_completion_is_committed_atomically_with_the_applications_data() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut conn = db.plain();
    conn.execute_batch(BOOK).unwrap();
    let mut every = task("a", 1);
    every.interval = Some(Duration::from_secs(60));
    let id = enqueue(&storage, every).await.unwrap();
    let bystander = enqueue(&storage, task("else", 1)).await.unwrap();
    let running = claimed(&storage, "a").await;
    let execution = Execution(running, vec![task("then", 2)]);

    let tx = immediate(&mut conn);
    write_entry(&tx);
    storage.complete_in(&tx, &execution, "rolled back").unwrap();
    tx.rollback().unwrap();
    assert_eq!(get(&storage, id).await.unwrap(), execution.0);
    assert_eq!(count(&conn, "omniq_task"), 2);

    let tx = immediate(&mut conn);
    write_entry(&tx);
    storage.complete_in(&tx, &execution, "stored").unwrap();
    let again = storage.complete_in(&tx, &execution, "twice").unwrap_err();
    assert!(again.to_string().contains("already"), "{again}");
    tx.commit().unwrap();
    let done = get(&storage, id).await.unwrap();
    assert_eq!((done.status, done.owner), (TaskStatus::Success, None));
    assert_eq!(done.result.unwrap().bytes, b"\"stored\"");
    let next = |name: &'static str| async { claim_later(&storage, name).await };
    assert_eq!(next("then").await.series_id, None);
    assert_eq!(next("a").await.series_id, Some(id));
    assert_eq!(get(&storage, bystander).await.unwrap().lease, 0);
}

async fn claim_later(storage: &SqliteStorage, name: &str) -> Task {
    let mut request = claim_of(name);
    request.now = NOW.after(Duration::from_secs(3600));
    let mut claimed = within(storage.claim(request)).await.unwrap();
    claimed.tasks.pop().expect("the task was enqueued")
}

#[tokio::test]
async fn a_lost_lease_completes_nothing() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut conn = db.plain();
    enqueue(&storage, task("a", 1)).await.unwrap();
    let lost = claimed(&storage, "a").await;
    let release = settle::settle(&lost, Outcome::Released, NOW, 0.0).unwrap();
    within(storage.settle(vec![release], NOW)).await.unwrap();
    let other = claimed(&storage, "a").await;
    enqueue(&storage, task("b", 1)).await.unwrap();
    let cancelled = claimed(&storage, "b").await;
    let cancel = settle::cancel(&cancelled).into_change().unwrap();
    within(storage.settle(vec![cancel], NOW)).await.unwrap();
    let before = get(&storage, other.id).await;
    for (task, expected) in [(lost, "taken it over"), (cancelled, "was cancelled")] {
        let tx = immediate(&mut conn);
        let execution = Execution(task, Vec::new());
        let error = storage.complete_in(&tx, &execution, &1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidState);
        assert!(error.to_string().contains(expected), "{error}");
        tx.commit().unwrap();
    }
    assert_eq!(get(&storage, other.id).await, before);
}

/// A follow-up task can't get an id, so the task must not succeed without it, even if the application commits.
#[tokio::test]
async fn a_partial_completion_is_undone_even_if_the_application_commits() {
    let db = TestDatabase::new();
    let storage = db.open();
    let mut conn = db.plain();
    conn.execute_batch(BOOK).unwrap();
    let id = enqueue(&storage, task("a", 1)).await.unwrap();
    let running = claimed(&storage, "a").await;
    conn.execute("UPDATE omniq_high_water SET id = ?1", [i64::MAX])
        .unwrap();
    let tx = immediate(&mut conn);
    write_entry(&tx);
    let execution = Execution(running, vec![task("then", 2)]);
    storage.complete_in(&tx, &execution, &1).unwrap_err();
    tx.commit().unwrap();
    assert_eq!(count(&conn, "book"), 1);
    let task = get(&storage, id).await.unwrap();
    assert_eq!(task.status, TaskStatus::Running);
}
