//! Handlers that complete their task in a transaction of their own.

use std::sync::Arc;
use std::time::Duration;

use omniq::rusqlite::{Connection, Transaction, TransactionBehavior};
use omniq::{
    Args, AsyncOmniQ, AsyncTaskQueue, EventKind, Handler, SqliteStorage, TaskContext, TaskError,
    TaskFilter, TaskStatus, call,
};
use tempfile::TempDir;

use crate::setup::*;

/// The application: its database is the queue's.
struct Shop {
    folder: TempDir,
    storage: Arc<SqliteStorage>,
    omniq: AsyncOmniQ,
}

/// How a handler goes on after it completed its task.
#[derive(Clone, Copy)]
enum Then {
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

    /// Books and completes an execution, and commits both or neither.
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

    /// A handler that books, and completes its task with `1`.
    fn books(&self, then: Then) -> Handler {
        let book = self.book();
        Handler::blocking(move |ctx: TaskContext, _: Args| {
            ctx.then(call("follow-up"))?;
            book(&ctx, !matches!(then, Then::RollsBack))?;
            match then {
                Then::FailsAfterTheCommit => Err(TaskError::fatal("too late to fail")),
                Then::PanicsAfterTheCommit => panic!("too late to panic"),
                Then::HangsAfterTheCommit => {
                    while !ctx.is_cancelled() {
                        std::thread::yield_now();
                    }
                    Ok(1)
                }
                Then::ReturnsAnotherValue => Ok(2),
                Then::Commits | Then::RollsBack => Ok(1),
            }
        })
    }
}

fn immediate(conn: &mut Connection) -> Transaction<'_> {
    conn.transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_was_committed_runs() {
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

/// However the handler ends, the task has succeeded, once, with all that belongs to it.
async fn succeeds(shop: Shop, handler: Handler, entries: u32) {
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
    let is_end = |kind: &EventKind| !matches!(kind, EventKind::Enqueued | EventKind::Started);
    assert_eq!(event(&mut events, is_end).await.kind, EventKind::Succeeded);
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
async fn a_committed_completion_stands_whatever_the_handler_does_then() {
    for then in [
        Then::Commits,
        Then::FailsAfterTheCommit,
        Then::PanicsAfterTheCommit,
        Then::HangsAfterTheCommit,
        Then::ReturnsAnotherValue,
    ] {
        let shop = Shop::open().await;
        let handler = shop.books(then);
        succeeds(shop, handler, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_is_dropped_after_its_commit_has_succeeded() {
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
    succeeds(shop, handler, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completion_that_was_rolled_back_leaves_the_task_to_its_handler() {
    let shop = Shop::open().await;
    let handler = shop.books(Then::RollsBack);
    succeeds(shop, handler, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_task_completes_nothing() {
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
    assert_eq!(shop.entries(), 0, "the handler left before its commit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_is_too_large_fails_the_task_for_good() {
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
    let text = error.with_causes();
    assert!(text.contains("max_payload"), "{text}");
    pool.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_of_ones_own_loop_is_completed_the_same_way() {
    let shop = Shop::open().await;
    let settings = quick().build().unwrap();
    let queue = AsyncTaskQueue::new(shop.storage.clone(), &settings).unwrap();
    let mut conn = shop.connect();
    for dropped in [true, false] {
        let id = queue.enqueue(call("book")).await.unwrap();
        let claim = queue.dequeue(&[], CEILING).await.unwrap().unwrap();
        let tx = immediate(&mut conn);
        shop.storage.complete_in(&tx, &claim, "kept").unwrap();
        tx.commit().unwrap();
        match dropped {
            true => drop(claim),
            false => assert!(queue.complete_task(claim, "late").await.unwrap()),
        }
        let result = queue.get_result(id).await.unwrap().unwrap();
        assert_eq!(result.decode::<String>().unwrap(), "kept");
    }
}
