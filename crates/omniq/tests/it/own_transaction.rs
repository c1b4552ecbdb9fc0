//! Tasks that are enqueued or completed in a transaction of the application.

use std::sync::Arc;
use std::time::Duration;

use omniq::rusqlite::{Connection, Transaction, TransactionBehavior};
use omniq::{
    Args, AsyncOmniQ, AsyncTaskQueue, EventKind, Handler, SqliteStorage, TaskContext, TaskError,
    TaskFilter, TaskStatus, call,
};
use tempfile::TempDir;

use crate::setup::*;

/// An application that shares its database with the queue.
struct Shop {
    folder: TempDir,
    storage: Arc<SqliteStorage>,
    omniq: AsyncOmniQ,
}

/// What a handler does after it has completed its task.
#[derive(Clone, Copy)]
enum AfterCompletion {
    Commits,
    RollsBack,
    FailsAfterTheCommit,
    PanicsAfterTheCommit,
    HangsAfterTheCommit,
    ReturnsAnotherValue,
}

impl Shop {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = quick().build().unwrap();
        let storage = SqliteStorage::open(folder.path().join("shop.db"), &settings).unwrap();
        let storage = Arc::new(storage);
        let omniq = AsyncOmniQ::with_storage(storage.clone(), settings);
        let shop = Self {
            folder,
            storage,
            omniq: omniq.await.unwrap(),
        };
        let book = "CREATE TABLE book (entry INTEGER)";
        shop.connect().execute_batch(book).unwrap();
        shop
    }

    fn connect(&self) -> Connection {
        let conn = Connection::open(self.folder.path().join("shop.db")).unwrap();
        conn.busy_timeout(CEILING).unwrap();
        conn
    }

    fn entries(&self) -> u32 {
        let sql = "SELECT count(*) FROM book";
        self.connect().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Returns a function that books an entry and completes the task in one transaction, and commits it if asked to.
    fn book(&self) -> impl Fn(&TaskContext, bool) -> omniq::Result<()> + Clone + Send + 'static {
        let path = self.folder.path().join("shop.db");
        let storage = Arc::clone(&self.storage);
        move |ctx, commit| {
            let mut conn = Connection::open(&path).unwrap();
            conn.busy_timeout(CEILING).unwrap();
            let tx = immediate(&mut conn);
            tx.execute("INSERT INTO book VALUES (1)", []).unwrap();
            storage.complete_in(&tx, ctx, &1)?;
            if commit {
                tx.commit().unwrap();
            }
            Ok(())
        }
    }

    /// Returns a handler that books an entry and completes its task with `1`.
    fn booking_handler(&self, after: AfterCompletion) -> Handler {
        let book = self.book();
        Handler::blocking(move |ctx: TaskContext, _: Args| {
            ctx.then(call("follow-up"))?;
            book(&ctx, !matches!(after, AfterCompletion::RollsBack))?;
            match after {
                AfterCompletion::FailsAfterTheCommit => Err(TaskError::fatal("too late to fail")),
                AfterCompletion::PanicsAfterTheCommit => panic!("too late to panic"),
                AfterCompletion::HangsAfterTheCommit => {
                    while !ctx.is_cancelled() {
                        std::thread::yield_now();
                    }
                    Ok(1)
                }
                AfterCompletion::ReturnsAnotherValue => Ok(2),
                AfterCompletion::Commits | AfterCompletion::RollsBack => Ok(1),
            }
        })
    }
}

fn immediate(conn: &mut Connection) -> Transaction<'_> {
    conn.transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_was_enqueued_in_a_committed_transaction_runs() {
    let shop = Shop::open().await;
    let pool = shop.omniq.worker().handler("echo", echo);
    let pool = pool.start().await.unwrap();
    let mut conn = shop.connect();
    let tx = immediate(&mut conn);
    let id = shop.storage.enqueue_in(&tx, call("echo").arg(7)).unwrap();
    tx.commit().unwrap();
    shop.storage.ring();
    let handle = shop.omniq.handle::<serde_json::Value>(id);
    assert_eq!(within(handle.wait(CEILING)).await.unwrap(), 7);
    pool.stop().await.unwrap();
}

/// Runs a handler; checks that its task succeeds once, with its follow-up task, however the handler ends.
async fn assert_succeeds_once(shop: Shop, handler: Handler, entries: u32) {
    let mut events = shop.omniq.events();
    let worker = shop.omniq.worker().handler("follow-up", echo);
    let worker = worker.with_handler("book", handler);
    let pool = worker
        .grace(Duration::from_millis(50))
        .start()
        .await
        .unwrap();
    let order = call("book").timeout(Duration::from_millis(400));
    let handle = shop.omniq.enqueue(order).await.unwrap();
    assert_eq!(within(handle.wait(CEILING)).await.unwrap(), 1);
    let is_outcome = |kind: &EventKind| !matches!(kind, EventKind::Enqueued | EventKind::Started);
    assert_eq!(
        event(&mut events, is_outcome).await.kind,
        EventKind::Succeeded
    );
    let filter = TaskFilter::new().name("follow-up");
    let follow_ups = shop.omniq.list_tasks(filter).await.unwrap();
    assert_eq!(follow_ups.len(), 1);
    let follow_up = shop.omniq.handle::<serde_json::Value>(follow_ups[0].id);
    within(follow_up.wait(CEILING)).await.unwrap();
    let summary = within(pool.stop()).await.unwrap();
    assert_eq!((summary.left, summary.total_finished), (0, 2));
    assert_eq!(shop.entries(), entries);
    let task = shop.omniq.get_task(handle.id()).await.unwrap().unwrap();
    assert_eq!((task.status, task.attempts), (TaskStatus::Success, 1));
    assert!(task.errors.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_committed_completion_stands_whatever_the_handler_does_afterwards() {
    for after in [
        AfterCompletion::Commits,
        AfterCompletion::FailsAfterTheCommit,
        AfterCompletion::PanicsAfterTheCommit,
        AfterCompletion::HangsAfterTheCommit,
        AfterCompletion::ReturnsAnotherValue,
    ] {
        let shop = Shop::open().await;
        let handler = shop.booking_handler(after);
        assert_succeeds_once(shop, handler, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_has_succeeded_even_if_its_handler_is_dropped_after_the_commit() {
    let shop = Shop::open().await;
    let book = shop.book();
    let handler = Handler::new(move |ctx: TaskContext, _: Args| {
        let book = book.clone();
        async move {
            ctx.then(call("follow-up"))?;
            let booked = tokio::task::spawn_blocking(move || book(&ctx, true));
            booked.await.unwrap()?;
            std::future::pending::<Result<u8, TaskError>>().await
        }
    });
    assert_succeeds_once(shop, handler, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_rollback_the_return_value_of_the_handler_decides() {
    let shop = Shop::open().await;
    let handler = shop.booking_handler(AfterCompletion::RollsBack);
    assert_succeeds_once(shop, handler, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_task_cannot_be_completed() {
    let shop = Shop::open().await;
    let mut events = shop.omniq.events();
    let book = shop.book();
    let handler = Handler::blocking(move |ctx: TaskContext, _: Args| {
        while !ctx.is_cancelled() {
            std::thread::yield_now();
        }
        Ok(book(&ctx, true)?)
    });
    let pool = shop.omniq.worker().with_handler("book", handler);
    let pool = pool.start().await.unwrap();
    let handle = shop.omniq.enqueue(call("book")).await.unwrap();
    started(&mut events).await;
    assert!(handle.cancel().await.unwrap());
    within(pool.stop()).await.unwrap();
    assert_eq!(handle.status().await.unwrap(), TaskStatus::Cancelled);
    assert_eq!(shop.entries(), 0, "the handler returned before its commit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_is_too_large_fails_the_task_permanently() {
    let shop = Shop::open().await;
    let (storage, path) = (
        Arc::clone(&shop.storage),
        shop.folder.path().join("shop.db"),
    );
    let handler = Handler::blocking(move |ctx: TaskContext, _: Args| {
        let mut conn = Connection::open(&path).map_err(TaskError::fatal)?;
        let tx = immediate(&mut conn);
        Ok(storage.complete_in(&tx, &ctx, &"x".repeat(2 << 20))?)
    });
    let pool = shop.omniq.worker().with_handler("book", handler);
    let pool = pool.start().await.unwrap();
    let handle = shop.omniq.enqueue(call("book")).await.unwrap();
    let error = within(handle.wait(CEILING)).await.unwrap_err();
    let error = error.task_error().unwrap();
    assert_eq!(
        (error.error_type.as_str(), error.is_retryable),
        ("result", false)
    );
    assert!(error.message.contains("max_payload"), "{error}");
    pool.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_of_a_custom_worker_loop_can_be_completed_in_a_transaction() {
    let shop = Shop::open().await;
    let settings = quick().build().unwrap();
    let queue = AsyncTaskQueue::new(shop.storage.clone(), &settings).unwrap();
    let mut conn = shop.connect();
    for is_dropped in [true, false] {
        let id = queue.enqueue(call("book")).await.unwrap();
        let claim = queue.dequeue(&[], CEILING).await.unwrap().unwrap();
        let tx = immediate(&mut conn);
        shop.storage.complete_in(&tx, &claim, "committed").unwrap();
        tx.commit().unwrap();
        match is_dropped {
            true => drop(claim),
            false => assert!(queue.complete_task(claim, "late").await.unwrap()),
        }
        let result = queue.get_result(id).await.unwrap().unwrap();
        assert_eq!(result.decode::<String>().unwrap(), "committed");
    }
}
