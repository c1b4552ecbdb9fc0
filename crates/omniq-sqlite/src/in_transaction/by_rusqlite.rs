//! Enqueues and completes tasks in a transaction of rusqlite. The writer's own code runs in it, and what that
//! remembers ends with the call.

use omniq_core::storage::Effects;
use omniq_core::{Completes, Order, Result, TaskId};
use omniq_writer::Failure as _;
use rusqlite::{Transaction, TransactionState};
use serde::Serialize;

use super::same_database::{FoundDatabase, refused};
use super::{BEGIN, END, UNDO, completed};
use crate::errors::Failure;
use crate::ids::HighWater;
use crate::lane_heads::LaneHeads;
use crate::lanes::Lanes;
use crate::write::{Batch, BulkInsert};
use crate::{SqliteStorage, wall_clock};

impl SqliteStorage {
    /// Adds a task in a transaction of your own, on your connection to the same database file. The task exists
    /// once you commit, and not at all if you roll back. What the order leaves open gets the defaults that this
    /// storage was opened with. If another unfinished task of this name holds the unique key, that task's id is
    /// returned.
    ///
    /// The transaction must hold the write lock, so begin it with
    /// [`TransactionBehavior::Immediate`](rusqlite::TransactionBehavior::Immediate). While it is open, the
    /// queue can't write: keep it short, and wait for nothing in it that the queue has to do (an `enqueue`
    /// without `_in` would wait for your commit). The queue writes too, so give your connection a
    /// `busy_timeout`. Durability is that of your connection. After the commit, [`ring`](Self::ring).
    ///
    /// Delays count from now, by the system clock. Listeners of `events` get no event for the task, because it
    /// is not known yet whether you will commit.
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
    /// After an error nothing of the task is written, whether you commit or not.
    ///
    /// - Kind [`Settings`](omniq_core::ErrorKind::Settings): the order can't be used, the transaction does not
    ///   hold the write lock or belongs to another database, or this storage is in memory.
    /// - Kind [`Serialization`](omniq_core::ErrorKind::Serialization): an argument can't be written.
    /// - Kind [`Storage`](omniq_core::ErrorKind::Storage): the database can't be written. The source is the
    ///   [`rusqlite::Error`].
    pub fn enqueue_in<T>(&self, tx: &Transaction<'_>, order: Order<T>) -> Result<TaskId> {
        let task = order.into_new_task(&self.settings)?;
        let now = wall_clock::now();
        let answer = self.work_in(tx, |batch| batch.enqueue(&task, now))?;
        Ok(answer.id())
    }

    /// Records a running task's success with this value in a transaction of your own, so that what the
    /// handler wrote there and the task's success are committed atomically and exactly once. `execution` is the
    /// handler's `TaskContext`, or a `Claim`. The follow-up tasks that the handler requested by `then` are
    /// enqueued in the same transaction, and so is the next run of a task that repeats.
    ///
    /// Once you have committed, the task has succeeded with this value, whatever the handler returns and
    /// even if its process dies. Its lease has ended then, so let the handler return soon: it is asked to stop
    /// like the handler of a cancelled task, and dropped some seconds later. If you roll back, nothing has
    /// changed, and what the handler returns counts as usual. A blocking handler whose time limit has expired
    /// may still complete its task, until it returns.
    ///
    /// The transaction must meet the conditions of [`enqueue_in`](Self::enqueue_in). A call of `ring` is not
    /// needed.
    ///
    /// # Errors
    ///
    /// After an error nothing of the success is written.
    ///
    /// - Kind [`InvalidState`](omniq_core::ErrorKind::InvalidState): the task was cancelled or taken over, or has
    ///   succeeded already. Leave the handler with `?` before you commit, so that what you wrote is rolled back.
    /// - Kind [`Serialization`](omniq_core::ErrorKind::Serialization): the value can't be written or is too
    ///   large.
    /// - The other kinds are those of [`enqueue_in`](Self::enqueue_in).
    pub fn complete_in<C, T>(&self, tx: &Transaction<'_>, execution: &C, value: &T) -> Result<()>
    where
        C: Completes + ?Sized,
        T: Serialize + ?Sized,
    {
        let (change, now) = execution.success(value)?;
        let answer = self.work_in(tx, |batch| batch.settle(&change, now))?;
        completed(&change, answer)
    }

    /// Runs `work` atomically in the transaction, if that holds the write lock of the storage's database.
    fn work_in<T>(
        &self,
        tx: &Transaction<'_>,
        work: impl FnOnce(&mut Batch<'_>) -> Result<T, Failure>,
    ) -> Result<T> {
        self.own_database.check_shared()?;
        check_lock(tx)?;
        self.own_database.check(find_database(tx))?;
        let result = in_savepoint(tx, || {
            let mut batch = Batch {
                conn: tx,
                lanes: &mut Lanes::default(),
                lane_heads: &mut LaneHeads::default(),
                high_water: &mut HighWater::default(),
                bulk_insert: &mut BulkInsert::default(),
                effects: &mut Effects::default(),
            };
            let answer = work(&mut batch)?;
            batch.high_water.save(tx)?;
            Ok(answer)
        });
        result.map_err(|failure| failure.not_done(self.own_database.location().path()))
    }
}

/// Fails unless the transaction holds the write lock. Ids rise in the order of commits, so they are assigned under
/// that lock. A transaction that has only read might have to wait for it, or could be unable to get it at all.
fn check_lock(tx: &Transaction<'_>) -> Result<()> {
    match tx.transaction_state(Some("main")) {
        Ok(TransactionState::Write) => Ok(()),
        _ => Err(refused(
            "the transaction does not hold the write lock: begin it with \
             conn.transaction_with_behavior(TransactionBehavior::Immediate)",
        )),
    }
}

fn find_database(tx: &Transaction<'_>) -> Result<FoundDatabase, Failure> {
    let mut statement = tx.prepare_cached(include_str!("../sql/database_file_and_identity.sql"))?;
    let found = statement.query_row([], |row| {
        Ok(FoundDatabase {
            file: row.get(0)?,
            identity: row.get(1)?,
        })
    })?;
    Ok(found)
}

/// Runs `work` in a savepoint, which is rolled back if it fails.
fn in_savepoint<T>(
    tx: &Transaction<'_>,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let run = |sql: &str| tx.prepare_cached(sql)?.execute([]);
    run(BEGIN)?;
    let result = work();
    if result.is_err() && !tx.is_autocommit() {
        // An error here means that SQLite has rolled back the whole transaction, as it does on a full disk.
        let _ = run(UNDO);
    }
    match run(END) {
        Err(error) if result.is_ok() => Err(error.into()),
        _ => result,
    }
}
