//! Enqueues and completes tasks in a transaction of sqlx, with the same statements, values and decisions as the
//! writer's.

use std::future::Future;

use omniq_core::storage::{Enqueued, Settled};
use omniq_core::{Change, Completes, Error, ErrorKind, NewTask, Order, Result, TaskId, Timestamp};
use omniq_writer::Failure as _;
use serde::Serialize;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteError, SqliteRow};
use sqlx::{Row as _, Sqlite, Transaction};

use super::same_database::FoundDatabase;
use super::{BEGIN, END, UNDO, completed};
use crate::errors::{Failure, SqlError, explain};
use crate::values::{Value, changed_row, new_row};
use crate::write::refusal;
use crate::{SqliteStorage, ids, row, wall_clock};

impl SqliteStorage {
    /// Adds a task like [`enqueue_in`](Self::enqueue_in), in a transaction of sqlx.
    ///
    /// Begin it with `begin_with("BEGIN IMMEDIATE")`. sqlx does not report how a transaction was begun, so one that
    /// was begun by a plain `begin()` is accepted, and acquires the write lock here. That fails on a busy
    /// database.
    ///
    /// ```
    /// use omniq_core::{CoreSettings, call};
    /// use omniq_sqlite::SqliteStorage;
    /// use sqlx::{Connection as _, SqliteConnection};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("shop.db");
    /// let storage = SqliteStorage::open(&path, &CoreSettings::default())?;
    /// let mut conn = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await?;
    /// sqlx::query("CREATE TABLE purchase (mail TEXT)").execute(&mut conn).await?;
    ///
    /// let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    /// sqlx::query("INSERT INTO purchase VALUES ('ada@example.org')").execute(&mut *tx).await?;
    /// storage.enqueue_in_sqlx(&mut tx, call("shop.confirm").arg("ada@example.org")).await?;
    /// tx.commit().await?;
    /// storage.ring();
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`enqueue_in`](Self::enqueue_in), and a retryable error of kind
    /// [`Storage`](omniq_core::ErrorKind::Storage) if the transaction can't get the write lock. The source of what
    /// SQLite reports is sqlx's own [`SqliteError`]; that of other errors is the
    /// [`sqlx::Error`]. If the future is dropped before it is ready, roll back.
    pub async fn enqueue_in_sqlx<T>(
        &self,
        tx: &mut Transaction<'_, Sqlite>,
        order: Order<T>,
    ) -> Result<TaskId> {
        let task = order.into_new_task(&self.settings)?;
        let now = wall_clock::now();
        let mut connection = self.begin(tx).await?;
        let result = connection.enqueue(&task, now).await;
        let answer = self.end(connection, result).await?;
        Ok(answer.id())
    }

    /// Records a task's success like [`complete_in`](Self::complete_in), in a transaction of sqlx.
    ///
    /// # Errors
    ///
    /// Those of [`complete_in`](Self::complete_in) and [`enqueue_in_sqlx`](Self::enqueue_in_sqlx).
    pub fn complete_in_sqlx<'a, C, T>(
        &'a self,
        tx: &'a mut Transaction<'_, Sqlite>,
        execution: &'a C,
        value: &'a T,
    ) -> impl Future<Output = Result<()>> + Send
    where
        C: Completes + ?Sized,
        T: Serialize + ?Sized,
    {
        // This precedes the first await, so that the future is `Send` even if `C` and `T` are not `Sync`.
        let success = execution.success(value);
        async move {
            let (change, now) = success?;
            let mut connection = self.begin(tx).await?;
            let result = connection.settle(&change, now).await;
            completed(&change, self.end(connection, result).await?)
        }
    }

    /// Checks the transaction's database, begins a savepoint, and acquires the write lock.
    async fn begin<'c>(
        &self,
        tx: &'c mut Transaction<'_, Sqlite>,
    ) -> Result<BorrowedConnection<'c>> {
        self.own_database.check_shared()?;
        let mut connection = BorrowedConnection(tx);
        self.own_database.check(connection.find_database().await)?;
        let failed = |e: Failure| match e {
            Failure::Sql(error) if error.is_busy() => self.no_write_lock(error),
            other => other.not_done(self.own_database.location().path()),
        };
        connection.run(BEGIN, []).await.map_err(failed)?;
        let locked = connection
            .run(include_str!("../sql/take_write_lock.sql"), [])
            .await;
        match locked {
            Ok(_) => Ok(connection),
            Err(failure) => {
                // The caller gets the error of the lock, not that of the savepoint.
                let _ = connection.run(END, []).await;
                Err(failed(failure))
            }
        }
    }

    fn no_write_lock(&self, error: SqlError) -> Error {
        let what = "nothing was changed, since the transaction can't get the write lock: begin it with \
                    begin_with(\"BEGIN IMMEDIATE\")";
        explain(self.own_database.location().path(), what, error)
    }

    /// Ends the savepoint, and rolls it back if the work failed.
    async fn end<T>(
        &self,
        mut connection: BorrowedConnection<'_>,
        result: Result<T, Failure>,
    ) -> Result<T> {
        if result.is_err() {
            // An error here means that SQLite has rolled back the whole transaction, as it does on a full disk.
            let _ = connection.run(UNDO, []).await;
        }
        let result = match connection.run(END, []).await {
            Err(failure) if result.is_ok() => Err(failure),
            _ => result,
        };
        result.map_err(|failure| failure.not_done(self.own_database.location().path()))
    }
}

/// The application's connection, borrowed for one call.
struct BorrowedConnection<'c>(&'c mut SqliteConnection);

impl BorrowedConnection<'_> {
    async fn find_database(&mut self) -> Result<FoundDatabase, Failure> {
        let sql = include_str!("../sql/database_file_and_identity.sql");
        let row = query(sql, []).fetch_one(&mut *self.0).await;
        let row = row.map_err(failure)?;
        Ok(FoundDatabase {
            file: row.try_get(0).map_err(failure)?,
            identity: row.try_get(1).map_err(failure)?,
        })
    }

    /// Adds a task, as the writer's `enqueue` does.
    async fn enqueue(&mut self, task: &NewTask, now: Timestamp) -> Result<Enqueued, Failure> {
        let last = self
            .number(include_str!("../sql/high_water.sql"), [])
            .await?;
        let id = ids::after(last.unwrap_or_default(), now)?;
        let raise = include_str!("../sql/raise_high_water.sql");
        self.run(raise, [id.as_i64().into()]).await?;
        let lane = self.lane(task).await?;
        let values = new_row(task, id, lane, now)?;
        match self.run(include_str!("../sql/enqueue.sql"), values).await {
            Ok(_) => Ok(Enqueued::New(id)),
            Err(Failure::Sql(error)) if error.is_unique_violation() => {
                let holder = self.holder(task).await?;
                holder.map(Enqueued::Existing).ok_or(Failure::Sql(error))
            }
            Err(other) => Err(other),
        }
    }

    /// Returns the number of the task's lane, which is added if it is new.
    async fn lane(&mut self, task: &NewTask) -> Result<i64, Failure> {
        let values = || {
            let format = i64::from(task.payload.format.code());
            [
                task.queue.as_str().into(),
                task.name.as_str().into(),
                format.into(),
            ]
        };
        if let Some(number) = self
            .number(include_str!("../sql/find_lane.sql"), values())
            .await?
        {
            return Ok(number);
        }
        let added = self
            .number(include_str!("../sql/add_lane.sql"), values())
            .await?;
        added.ok_or_else(|| rusqlite::Error::QueryReturnedNoRows.into())
    }

    /// Returns the task that holds the unique key, or is the live member of the series.
    async fn holder(&mut self, task: &NewTask) -> Result<Option<TaskId>, Failure> {
        let key = task.unique_key.as_deref();
        let values = [key.map(|_| task.name.as_str()).into(), key.into()];
        let mut found = self
            .number(include_str!("../sql/key_holder.sql"), values)
            .await?;
        if found.is_none() {
            let series = [task.series_id.map(TaskId::as_i64).into()];
            let sql = include_str!("../sql/series_member.sql");
            found = self.number(sql, series).await?;
        }
        found.map(row::id).transpose()
    }

    /// Applies a success, as the writer's `settle` does. A success can't conflict with a unique key, and has no
    /// error to store.
    async fn settle(&mut self, change: &Change, now: Timestamp) -> Result<Settled, Failure> {
        let sql = include_str!("../sql/settle.sql");
        if self.run(sql, changed_row(change, now)).await? != 1 {
            return self.refused(change.id).await;
        }
        for task in &change.then {
            self.enqueue(task, now).await?;
        }
        Ok(Settled::Applied)
    }

    async fn refused(&mut self, id: TaskId) -> Result<Settled, Failure> {
        let query = query(
            include_str!("../sql/status_and_lease.sql"),
            [id.as_i64().into()],
        );
        let row = query.fetch_optional(&mut *self.0).await.map_err(failure)?;
        let read = |row: SqliteRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let status_and_lease = row.map(read).transpose().map_err(failure)?;
        Ok(refusal(status_and_lease))
    }

    /// Executes a statement. Returns how many rows it changed.
    async fn run<'v>(
        &mut self,
        sql: &'static str,
        values: impl IntoIterator<Item = Value<'v>>,
    ) -> Result<u64, Failure> {
        let result = query(sql, values).execute(&mut *self.0).await;
        Ok(result.map_err(failure)?.rows_affected())
    }

    /// Returns the first column of the first row.
    async fn number<'v>(
        &mut self,
        sql: &'static str,
        values: impl IntoIterator<Item = Value<'v>>,
    ) -> Result<Option<i64>, Failure> {
        let row = query(sql, values).fetch_optional(&mut *self.0).await;
        let number = row.map_err(failure)?.map(|row| row.try_get(0));
        number.transpose().map_err(failure)
    }
}

fn query<'v>(
    sql: &'static str,
    values: impl IntoIterator<Item = Value<'v>>,
) -> sqlx::query::Query<'static, Sqlite, SqliteArguments> {
    values
        .into_iter()
        .fold(sqlx::query(sql), |query, value| match value {
            Value::Null => query.bind(None::<i64>),
            Value::Integer(number) => query.bind(number),
            Value::Text(text) => query.bind(text.into_owned()),
            Value::Blob(bytes) => query.bind(bytes.to_vec()),
        })
}

/// Separates the errors that SQLite reported from those of sqlx itself.
fn failure(error: sqlx::Error) -> Failure {
    let error = match error {
        sqlx::Error::Database(error) => match error.try_downcast::<SqliteError>() {
            Ok(error) => return Failure::Sql(SqlError::from(*error)),
            Err(other) => sqlx::Error::Database(other),
        },
        other => other,
    };
    let text = "sqlx could not run a statement";
    Failure::Refused(Error::new(ErrorKind::Storage, text).with_source(error))
}
