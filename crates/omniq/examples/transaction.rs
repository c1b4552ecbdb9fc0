//! A shop whose database is also its queue. A purchase and the task that confirms it are one commit, and a payment is
//! booked in the commit that completes its task.
//!
//! `cargo run --example transaction [DATABASE]`
#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use omniq::rusqlite::{Connection, TransactionBehavior};
use omniq::{
    Args, AsyncOmniQ, Handler, Settings, SqliteStorage, TaskContext, TaskError, TaskId, call,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The shop's part of the database.
struct Shop {
    path: PathBuf,
    storage: Arc<SqliteStorage>,
}

impl Shop {
    fn open(path: &Path, settings: &Settings) -> Outcome<Self> {
        let storage = Arc::new(SqliteStorage::open(path, settings)?);
        let path = path.to_owned();
        let shop = Self { path, storage };
        shop.connect()?.execute_batch(
            "CREATE TABLE IF NOT EXISTS purchase (id INTEGER PRIMARY KEY, mail TEXT, cents INTEGER);
             CREATE TABLE IF NOT EXISTS payment (purchase INTEGER, cents INTEGER);",
        )?;
        Ok(shop)
    }

    fn connect(&self) -> Outcome<Connection> {
        let conn = Connection::open(&self.path)?;
        conn.busy_timeout(Duration::from_secs(10))?;
        Ok(conn)
    }

    /// Stores a purchase and its two tasks atomically.
    fn buy(&self, mail: &str, cents: i64, in_stock: bool) -> Outcome<TaskId> {
        let mut conn = self.connect()?;
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute(
            "INSERT INTO purchase (mail, cents) VALUES (?1, ?2)",
            (mail, cents),
        )?;
        let purchase = tx.last_insert_rowid();
        let confirm = call("shop.confirm").arg(mail).arg(purchase);
        self.storage.enqueue_in(&tx, confirm)?;
        let payment = self
            .storage
            .enqueue_in(&tx, call("shop.pay").arg(purchase))?;
        if !in_stock {
            // The transaction is dropped and thereby rolled back, with the purchase and its tasks.
            return Err("it is sold out".into());
        }
        tx.commit()?;
        // This wakes waiting pools. Without it, they would find the tasks at their next safety check.
        self.storage.ring();
        Ok(payment)
    }

    /// Books the payment and completes the task in one commit. If the process dies before the commit, nothing is booked
    /// and the task runs again; after it, the task has succeeded. No payment is booked twice.
    fn pay(&self, ctx: &TaskContext, purchase: i64) -> Outcome<i64> {
        let mut conn = self.connect()?;
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "SELECT cents FROM purchase WHERE id = ?1";
        let cents: i64 = tx.query_row(sql, [purchase], |row| row.get(0))?;
        tx.execute(
            "INSERT INTO payment (purchase, cents) VALUES (?1, ?2)",
            (purchase, cents),
        )?;
        // An error means that this process has lost the task: `?` returns, and the payment is rolled back.
        self.storage.complete_in(&tx, ctx, &cents)?;
        tx.commit()?;
        Ok(cents)
    }

    fn count(&self, table: &str) -> Outcome<i64> {
        let sql = format!("SELECT count(*) FROM {table}");
        Ok(self.connect()?.query_row(&sql, [], |row| row.get(0))?)
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let database = std::env::args_os().nth(1).map(PathBuf::from);
    let path = database.unwrap_or_else(|| folder.path().join("shop.db"));
    let settings = Settings::default();
    let shop = Arc::new(Shop::open(&path, &settings)?);
    let omniq = AsyncOmniQ::with_storage(shop.storage.clone(), settings).await?;

    let cashier = Arc::clone(&shop);
    let pay = Handler::blocking(move |ctx: TaskContext, args: Args| {
        let (purchase,): (i64,) = args.bind(&["purchase"])?;
        cashier.pay(&ctx, purchase).map_err(TaskError::retryable)
    });
    let confirm = |_: TaskContext, args: Args| async move {
        let (mail, purchase): (String, i64) = args.bind(&["mail", "purchase"])?;
        println!("to {mail}: thank you for purchase {purchase}");
        Ok::<_, TaskError>(())
    };
    let worker = omniq.worker().with_handler("shop.pay", pay);
    let pool = worker.handler("shop.confirm", confirm).start().await?;

    let refused = shop.buy("bob@example.org", 900, false);
    println!(
        "bob: {}",
        refused.err().unwrap_or("nothing went wrong".into())
    );
    let (purchases, tasks) = (shop.count("purchase")?, shop.count("omniq_task")?);
    println!("after the rollback: {purchases} purchases, {tasks} tasks");

    let payment = shop.buy("ada@example.org", 4200, true)?;
    let cents: i64 = omniq.handle(payment).wait(Duration::from_secs(30)).await?;
    println!("ada paid {cents} cents");
    pool.stop().await?;
    let (purchases, payments) = (shop.count("purchase")?, shop.count("payment")?);
    println!("in the end: {purchases} purchases, {payments} payments");
    Ok(())
}
