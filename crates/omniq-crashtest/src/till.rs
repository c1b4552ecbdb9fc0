//! An application whose database is the queue's: it books in its own table, in the transactions in which its
//! tasks are enqueued and completed.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use omniq::rusqlite::{Connection, TransactionBehavior};
use omniq::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use omniq::sqlx::{self, ConnectOptions as _, Connection as _};
use omniq::{Args, AsyncOmniQ, Handler, SqliteStorage, TaskContext, TaskError, TaskId, call};
use tokio::io::AsyncReadExt as _;

use crate::{Line, Log, Mark, Options, Outcome};

/// `(work)`: books its own id, is completed with it, and goes on for so many milliseconds after its commit.
pub const BOOK: &str = "crashtest.book";

/// How long a transaction waits for another one.
const PATIENCE: Duration = Duration::from_secs(10);

const TABLE: &str = "CREATE TABLE IF NOT EXISTS till (task INTEGER NOT NULL)";
const ENTRY: &str = "INSERT INTO till (task) VALUES (?1)";

/// Whose transactions they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// Those of rusqlite.
    Rusqlite,
    /// Those of sqlx.
    Sqlx,
}

impl Driver {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Rusqlite => "rusqlite",
            Self::Sqlx => "sqlx",
        }
    }
}

impl FromStr for Driver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let both = [Self::Rusqlite, Self::Sqlx];
        let found = both.into_iter().find(|one| one.as_str() == text);
        found.ok_or_else(|| format!("there is no driver {text}"))
    }
}

/// Where a process that orders stops, until it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Before its commit.
    Uncommitted,
    /// After its commit, without having rung.
    Committed,
}

/// What is booked, as the application's table has it.
///
/// # Errors
///
/// If the table can't be made or read.
pub fn entries(db: &Path) -> Outcome<Vec<TaskId>> {
    let conn = connect(db)?;
    let mut statement = conn.prepare("SELECT task FROM till ORDER BY task")?;
    let numbers = statement.query_map([], |row| row.get(0))?;
    let ids: Result<Vec<_>, _> = numbers.map(|n| n.map(TaskId::from_i64)).collect();
    ids?.into_iter()
        .map(|id| id.ok_or("no id".into()))
        .collect()
}

fn connect(db: &Path) -> omniq::rusqlite::Result<Connection> {
    let conn = Connection::open(db)?;
    conn.busy_timeout(PATIENCE)?;
    conn.execute_batch(TABLE)?;
    Ok(conn)
}

async fn connect_sqlx(db: &Path) -> sqlx::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(db);
    let mut conn = options.busy_timeout(PATIENCE).connect().await?;
    sqlx::query(TABLE).execute(&mut conn).await?;
    Ok(conn)
}

/// What the handlers of a process share.
#[derive(Clone)]
struct Till {
    db: PathBuf,
    storage: Arc<SqliteStorage>,
    log: Arc<Log>,
}

impl Till {
    fn open(options: &Options) -> Outcome<Self> {
        let settings = options.settings()?;
        Ok(Self {
            db: options.db.clone(),
            storage: Arc::new(SqliteStorage::open(&options.db, &settings)?),
            log: Arc::new(Log::open(&options.log)?),
        })
    }

    fn note(&self, mark: Mark, ctx: &TaskContext) -> Outcome<()> {
        Ok(self.log.note(Line::now(mark, ctx.id(), ctx.lease()))?)
    }

    fn book(&self, ctx: &TaskContext, args: Args) -> Outcome<()> {
        let (work,): (u64,) = args.bind(&["work"])?;
        let mut conn = connect(&self.db)?;
        self.note(Mark::Start, ctx)?;
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute(ENTRY, [ctx.id().as_i64()])?;
        self.storage.complete_in(&tx, ctx, &ctx.id())?;
        tx.commit()?;
        self.note(Mark::Committed, ctx)?;
        std::thread::sleep(Duration::from_millis(work));
        self.note(Mark::End, ctx)
    }

    async fn book_sqlx(&self, ctx: &TaskContext, args: Args) -> Outcome<()> {
        let (work,): (u64,) = args.bind(&["work"])?;
        let mut conn = connect_sqlx(&self.db).await?;
        self.note(Mark::Start, ctx)?;
        let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
        let entry = sqlx::query(ENTRY).bind(ctx.id().as_i64());
        entry.execute(&mut *tx).await?;
        self.storage
            .complete_in_sqlx(&mut tx, ctx, &ctx.id())
            .await?;
        tx.commit().await?;
        self.note(Mark::Committed, ctx)?;
        tokio::time::sleep(Duration::from_millis(work)).await;
        self.note(Mark::End, ctx)
    }

    fn handler(self, driver: Driver) -> Handler {
        let wrong = |error| TaskError::retryable::<Box<dyn std::error::Error + Send + Sync>>(error);
        match driver {
            Driver::Rusqlite => Handler::blocking(move |ctx: TaskContext, args: Args| {
                self.book(&ctx, args).map_err(wrong)
            }),
            Driver::Sqlx => Handler::new(move |ctx: TaskContext, args: Args| {
                let till = self.clone();
                async move { till.book_sqlx(&ctx, args).await.map_err(wrong) }
            }),
        }
    }
}

/// Works until standard input ends.
///
/// # Errors
///
/// If the queue or the log can't be used.
pub async fn run(options: Options) -> Outcome<()> {
    let till = Till::open(&options)?;
    let omniq = AsyncOmniQ::with_storage(till.storage.clone(), options.settings()?).await?;
    let worker = omniq.worker().concurrency(options.concurrency);
    let handler = till.handler(options.driver);
    let pool = worker.with_handler(BOOK, handler).start().await?;
    println!("ready");
    until_told().await?;
    pool.stop().await?;
    Ok(())
}

/// Books an order and enqueues its task in one transaction, and hangs before or after the commit.
///
/// # Errors
///
/// If the database can't be used.
pub async fn order(options: Options, stop: Stop) -> Outcome<()> {
    let till = Till::open(&options)?;
    let commits = stop == Stop::Committed;
    match options.driver {
        Driver::Rusqlite => {
            let mut conn = connect(&till.db)?;
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let id = till.storage.enqueue_in(&tx, call(BOOK).arg(0))?;
            tx.execute(ENTRY, [id.as_i64()])?;
            if commits {
                return hang_after(tx.commit()).await;
            }
            println!("ready");
            // No await: the transaction stays on this thread.
            loop {
                std::thread::park();
            }
        }
        Driver::Sqlx => {
            let mut conn = connect_sqlx(&till.db).await?;
            let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
            let id = till
                .storage
                .enqueue_in_sqlx(&mut tx, call(BOOK).arg(0))
                .await?;
            let entry = sqlx::query(ENTRY).bind(id.as_i64());
            entry.execute(&mut *tx).await?;
            if commits {
                return hang_after(tx.commit().await).await;
            }
            hang_after(Ok::<_, sqlx::Error>(())).await?;
            Ok(tx.commit().await?)
        }
    }
}

async fn hang_after<E>(done: Result<(), E>) -> Outcome<()>
where
    E: std::error::Error + Send + Sync + 'static,
{
    done?;
    println!("ready");
    until_told().await
}

async fn until_told() -> Outcome<()> {
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}
