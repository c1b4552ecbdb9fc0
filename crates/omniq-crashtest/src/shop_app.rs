//! A shop application whose database is also the queue's. It writes into its own table in the transactions that enqueue
//! and complete its tasks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use omniq::rusqlite::{Connection, TransactionBehavior};
use omniq::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use omniq::sqlx::{self, ConnectOptions as _, Connection as _};
use omniq::{Args, AsyncOmniQ, Handler, SqliteStorage, TaskContext, TaskError, TaskId, call};
use tokio::io::AsyncReadExt as _;

use crate::{Driver, HarnessResult, Line, Log, Mark, Options};

/// `(work)`: writes its own id into the ledger, completes its task in the same transaction, and continues for this many
/// milliseconds after the commit.
pub const RECORD_SALE: &str = "crashtest.record_sale";

/// How long a transaction waits for the write lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

const CREATE_LEDGER: &str = "CREATE TABLE IF NOT EXISTS ledger (task INTEGER NOT NULL)";
const INSERT_ENTRY: &str = "INSERT INTO ledger (task) VALUES (?1)";

/// The point at which an ordering process hangs until it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangPoint {
    /// Before the commit.
    BeforeCommit,
    /// After the commit, and before the doorbell is rung.
    AfterCommit,
}

/// Returns the task ids in the application's ledger, in order.
///
/// # Errors
///
/// Returns an error if the table can't be created or read.
pub fn ledger_entries(db: &Path) -> HarnessResult<Vec<TaskId>> {
    let conn = connect(db)?;
    let mut statement = conn.prepare("SELECT task FROM ledger ORDER BY task")?;
    let numbers = statement.query_map([], |row| row.get(0))?;
    let ids: Result<Vec<_>, _> = numbers.map(|n| n.map(TaskId::from_i64)).collect();
    ids?.into_iter()
        .map(|id| id.ok_or("the ledger has a number that is not a task id".into()))
        .collect()
}

fn connect(db: &Path) -> omniq::rusqlite::Result<Connection> {
    let conn = Connection::open(db)?;
    conn.busy_timeout(LOCK_TIMEOUT)?;
    conn.execute_batch(CREATE_LEDGER)?;
    Ok(conn)
}

async fn connect_sqlx(db: &Path) -> sqlx::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(db);
    let mut conn = options.busy_timeout(LOCK_TIMEOUT).connect().await?;
    sqlx::query(CREATE_LEDGER).execute(&mut conn).await?;
    Ok(conn)
}

/// The state that the handlers of a process share.
#[derive(Clone)]
struct ShopApp {
    db: PathBuf,
    storage: Arc<SqliteStorage>,
    log: Arc<Log>,
}

impl ShopApp {
    fn open(options: &Options) -> HarnessResult<Self> {
        let settings = options.settings()?;
        Ok(Self {
            db: options.db.clone(),
            storage: Arc::new(SqliteStorage::open(&options.db, &settings)?),
            log: Arc::new(Log::open(&options.log)?),
        })
    }

    fn record(&self, mark: Mark, ctx: &TaskContext) -> HarnessResult<()> {
        Ok(self.log.append(Line::now(mark, ctx.id(), ctx.lease()))?)
    }

    fn record_sale(&self, ctx: &TaskContext, args: Args) -> HarnessResult<()> {
        let (millis,): (u64,) = args.bind(&["work"])?;
        let mut conn = connect(&self.db)?;
        self.record(Mark::Start, ctx)?;
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute(INSERT_ENTRY, [ctx.id().as_i64()])?;
        self.storage.complete_in(&tx, ctx, &ctx.id())?;
        tx.commit()?;
        self.record(Mark::Committed, ctx)?;
        std::thread::sleep(Duration::from_millis(millis));
        self.record(Mark::End, ctx)
    }

    async fn record_sale_sqlx(&self, ctx: &TaskContext, args: Args) -> HarnessResult<()> {
        let (millis,): (u64,) = args.bind(&["work"])?;
        let mut conn = connect_sqlx(&self.db).await?;
        self.record(Mark::Start, ctx)?;
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        let entry = sqlx::query(INSERT_ENTRY).bind(ctx.id().as_i64());
        entry.execute(&mut *tx).await?;
        self.storage
            .complete_in_sqlx(&mut tx, ctx, &ctx.id())
            .await?;
        tx.commit().await?;
        self.record(Mark::Committed, ctx)?;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        self.record(Mark::End, ctx)
    }

    fn handler(self, driver: Driver) -> Handler {
        let to_task_error =
            |error| TaskError::retryable::<Box<dyn std::error::Error + Send + Sync>>(error);
        match driver {
            Driver::Rusqlite => Handler::blocking(move |ctx: TaskContext, args: Args| {
                self.record_sale(&ctx, args).map_err(to_task_error)
            }),
            Driver::Sqlx => Handler::new(move |ctx: TaskContext, args: Args| {
                let app = self.clone();
                async move {
                    app.record_sale_sqlx(&ctx, args)
                        .await
                        .map_err(to_task_error)
                }
            }),
        }
    }
}

/// Processes tasks until standard input ends.
///
/// # Errors
///
/// Returns an error if the queue or the log can't be used.
pub async fn run(options: Options) -> HarnessResult<()> {
    let app = ShopApp::open(&options)?;
    let omniq = AsyncOmniQ::with_storage(app.storage.clone(), options.settings()?).await?;
    let worker = omniq.worker().concurrency(options.concurrency);
    let handler = app.handler(options.driver);
    let pool = worker.with_handler(RECORD_SALE, handler).start().await?;
    println!("ready");
    wait_for_end_of_input().await?;
    pool.stop().await?;
    Ok(())
}

/// Writes a ledger entry and enqueues its task in one transaction, and hangs before or after the commit.
///
/// # Errors
///
/// Returns an error if the database can't be used.
pub async fn order(options: Options, hang: HangPoint) -> HarnessResult<()> {
    let app = ShopApp::open(&options)?;
    let commits = hang == HangPoint::AfterCommit;
    match options.driver {
        Driver::Rusqlite => {
            let mut conn = connect(&app.db)?;
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let id = app.storage.enqueue_in(&tx, call(RECORD_SALE).arg(0))?;
            tx.execute(INSERT_ENTRY, [id.as_i64()])?;
            if commits {
                return hang_if_ok(tx.commit()).await;
            }
            println!("ready");
            // Parks this thread instead of awaiting, so that the transaction stays open on it.
            loop {
                std::thread::park();
            }
        }
        Driver::Sqlx => {
            let mut conn = connect_sqlx(&app.db).await?;
            let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
            let id = app
                .storage
                .enqueue_in_sqlx(&mut tx, call(RECORD_SALE).arg(0))
                .await?;
            let entry = sqlx::query(INSERT_ENTRY).bind(id.as_i64());
            entry.execute(&mut *tx).await?;
            if commits {
                return hang_if_ok(tx.commit().await).await;
            }
            hang_if_ok(Ok::<_, sqlx::Error>(())).await?;
            Ok(tx.commit().await?)
        }
    }
}

async fn hang_if_ok<E>(result: Result<(), E>) -> HarnessResult<()>
where
    E: std::error::Error + Send + Sync + 'static,
{
    result?;
    println!("ready");
    wait_for_end_of_input().await
}

async fn wait_for_end_of_input() -> HarnessResult<()> {
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}
