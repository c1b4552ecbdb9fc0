//! In a transaction of rusqlite. The writer's own code works in it, with a memory that ends with the call.

use omniq_core::storage::Effects;
use omniq_core::{Completes, Order, Result, TaskId};
use omniq_writer::Failure as _;
use rusqlite::{Transaction, TransactionState};
use serde::Serialize;

use super::home::{Found, refused};
use super::{BEGIN, END, UNDO, completed};
use crate::heads::Heads;
use crate::ids::HighWater;
use crate::lanes::Lanes;
use crate::trouble::Failure;
use crate::write::{Alike, Batch};
use crate::{SqliteStorage, wall_clock};

impl SqliteStorage {
    /// Adds a task in a transaction of your own, on your connection to the same database file: it is there
    /// once you commit, and never was if you do not. Orders that leave something open get the defaults that
    /// this storage was opened with. While another unfinished task of its name holds its unique key, that
    /// one's id is the answer.
    ///
    /// The transaction must hold the write lock, so begin it with
    /// [`TransactionBehavior::Immediate`](rusqlite::TransactionBehavior::Immediate). While it is open, the
    /// queue can't write: keep it short, and wait for nothing in it that the queue has to do (an `enqueue`
    /// without `_in` would wait for your commit). The queue writes too, so give your connection a
    /// `busy_timeout`. Durability is that of your connection. After the commit, [`ring`](Self::ring).
    ///
    /// Delays count from now, by the system's clock. Listeners of `events` do not hear of the task: here,
    /// nobody knows yet whether you will commit.
    ///
    /// ```
    /// use omniq_core::{CoreSettings, call};
    /// use omniq_sqlite::SqliteStorage;
    /// use rusqlite::{Connection, TransactionBehavior};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("shop.db");
    /// let storage = SqliteStorage::open(&path, &CoreSettings::default())?;
    /// let mut conn = Connection::open(&path)?;
    /// conn.execute_batch("CREATE TABLE purchase (id INTEGER PRIMARY KEY, mail TEXT)")?;
    ///
    /// let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    /// tx.execute("INSERT INTO purchase (mail) VALUES ('ada@example.org')", [])?;
    /// storage.enqueue_in(&tx, call("shop.confirm").arg(tx.last_insert_rowid()))?;
    /// tx.commit()?;
    /// storage.ring();
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Nothing of it is written then, whether you commit or not. Of kind
    /// [`Settings`](omniq_core::ErrorKind::Settings): the order can't be used, the transaction does not hold
    /// the write lock or is one of another database, or this storage is in memory. Of kind
    /// [`Serialization`](omniq_core::ErrorKind::Serialization): an argument can't be written. Of kind
    /// [`Storage`](omniq_core::ErrorKind::Storage): the database can't be written.
    pub fn enqueue_in<T>(&self, tx: &Transaction<'_>, order: Order<T>) -> Result<TaskId> {
        let task = order.into_new_task(&self.settings)?;
        let now = wall_clock::now();
        let answer = self.work_in(tx, |batch| batch.enqueue(&task, now))?;
        Ok(answer.id())
    }

    /// Records a running task's success with this value in a transaction of your own, so that what the
    /// handler wrote there and the task's end are one: both happen, once, or neither. `execution` is the
    /// handler's `TaskContext`, or a `Claim`. What the handler has asked for by `then` comes along, and so
    /// does the next run of a task that repeats.
    ///
    /// Once you have committed, the task has succeeded with this value, whatever the handler returns and
    /// even if its process dies. Its lease ends there, so let the handler return soon: it is told to stop
    /// like one that was cancelled, and dropped some seconds later. If you roll back, nothing has happened,
    /// and what the handler returns counts as usual. A blocking handler whose time is over may still complete
    /// its task, until it returns.
    ///
    /// What [`enqueue_in`](Self::enqueue_in) says of the transaction holds here as well. Nobody has to ring.
    ///
    /// # Errors
    ///
    /// Nothing of it is written then. Of kind [`InvalidState`](omniq_core::ErrorKind::InvalidState): the task
    /// was cancelled or taken over, or has succeeded already; leave the handler with `?` before you commit,
    /// and what you wrote is rolled back. Of kind [`Serialization`](omniq_core::ErrorKind::Serialization): the
    /// value can't be written or is too large. The others as in [`enqueue_in`](Self::enqueue_in).
    pub fn complete_in<C, T>(&self, tx: &Transaction<'_>, execution: &C, value: &T) -> Result<()>
    where
        C: Completes + ?Sized,
        T: Serialize + ?Sized,
    {
        let (change, now) = execution.success(value)?;
        let answer = self.work_in(tx, |batch| batch.settle(&change, now))?;
        completed(&change, answer)
    }

    /// All of the work or nothing, in a transaction that can hold it.
    fn work_in<T>(
        &self,
        tx: &Transaction<'_>,
        work: impl FnOnce(&mut Batch<'_>) -> Result<T, Failure>,
    ) -> Result<T> {
        self.home.check_shared()?;
        check_lock(tx)?;
        self.home.check(whose(tx))?;
        let done = in_savepoint(tx, || {
            let mut batch = Batch {
                conn: tx,
                lanes: &mut Lanes::default(),
                heads: &mut Heads::default(),
                high_water: &mut HighWater::default(),
                alike: &mut Alike::default(),
                effects: &mut Effects::default(),
            };
            let done = work(&mut batch)?;
            batch.high_water.save(tx)?;
            Ok(done)
        });
        done.map_err(|failure| failure.not_done(self.home.place().path()))
    }
}

/// Ids rise in the order of commits, so they are given out under the write lock. A transaction that has
/// only read might have to wait for it, or could not get it any more.
fn check_lock(tx: &Transaction<'_>) -> Result<()> {
    match tx.transaction_state(Some("main")) {
        Ok(TransactionState::Write) => Ok(()),
        _ => Err(refused(
            "the transaction does not hold the write lock: begin it with \
             conn.transaction_with_behavior(TransactionBehavior::Immediate)",
        )),
    }
}

fn whose(tx: &Transaction<'_>) -> Result<Found, Failure> {
    let mut statement = tx.prepare_cached(include_str!("../sql/whose.sql"))?;
    let found = statement.query_row([], |row| {
        Ok(Found {
            file: row.get(0)?,
            identity: row.get(1)?,
        })
    })?;
    Ok(found)
}

fn in_savepoint<T>(
    tx: &Transaction<'_>,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let run = |sql: &str| tx.prepare_cached(sql)?.execute([]);
    run(BEGIN)?;
    let done = work();
    if done.is_err() && !tx.is_autocommit() {
        // SQLite may refuse, but then it has given up the whole transaction: a full disk does that.
        let _ = run(UNDO);
    }
    match run(END) {
        Err(error) if done.is_ok() => Err(error.into()),
        _ => done,
    }
}
