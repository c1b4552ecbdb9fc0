//! In a transaction of sqlx: the same statements, values and decisions as the writer's, run by sqlx.

use std::future::Future;

use omniq_core::storage::{Enqueued, Settled};
use omniq_core::{Change, Completes, Error, ErrorKind, NewTask, Order, Result, TaskId, Timestamp};
use omniq_writer::Failure as _;
use serde::Serialize;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Row as _, Sqlite, Transaction};

use super::home::Found;
use super::{BEGIN, END, UNDO, completed};
use crate::trouble::{Failure, explain, is_taken};
use crate::values::{Value, changed_row, new_row};
use crate::write::moved;
use crate::{SqliteStorage, ids, row, wall_clock};

impl SqliteStorage {
    /// As [`enqueue_in`](Self::enqueue_in), in a transaction of sqlx.
    ///
    /// Begin it with `begin_with("BEGIN IMMEDIATE")`. One that was begun by a plain `begin()` gets the write
    /// lock here if it can, and that fails on a busy database: sqlx does not tell which kind it is.
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
    /// As in [`enqueue_in`](Self::enqueue_in); and a retryable one of kind
    /// [`Storage`](omniq_core::ErrorKind::Storage) if the transaction can't get the write lock. If the future
    /// is dropped half-way, roll back.
    pub async fn enqueue_in_sqlx<T>(
        &self,
        tx: &mut Transaction<'_, Sqlite>,
        order: Order<T>,
    ) -> Result<TaskId> {
        let task = order.into_new_task(&self.settings)?;
        let now = wall_clock::now();
        let mut guest = self.guest(tx).await?;
        let done = guest.enqueue(&task, now).await;
        let answer = self.end(guest, done).await?;
        Ok(answer.id())
    }

    /// As [`complete_in`](Self::complete_in), in a transaction of sqlx.
    ///
    /// # Errors
    ///
    /// As in [`complete_in`](Self::complete_in) and [`enqueue_in_sqlx`](Self::enqueue_in_sqlx).
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
        // Before the first wait, so that the future can be sent wherever the transaction can.
        let success = execution.success(value);
        async move {
            let (change, now) = success?;
            let mut guest = self.guest(tx).await?;
            let done = guest.settle(&change, now).await;
            completed(&change, self.end(guest, done).await?)
        }
    }

    /// A transaction that holds the write lock of the storage's database.
    async fn guest<'c>(&self, tx: &'c mut Transaction<'_, Sqlite>) -> Result<Guest<'c>> {
        self.home.check_shared()?;
        let mut guest = Guest(tx);
        self.home.check(guest.whose().await)?;
        let failed = |e: Failure| match e {
            Failure::Sql(error) if Failure::is_busy(&error) => self.no_lock(&error),
            other => other.not_done(self.home.place().path()),
        };
        guest.run(BEGIN, []).await.map_err(failed)?;
        let locked = guest
            .run(include_str!("../sql/take_write_lock.sql"), [])
            .await;
        match locked {
            Ok(_) => Ok(guest),
            Err(failure) => {
                // What matters is why there is no lock.
                let _ = guest.run(END, []).await;
                Err(failed(failure))
            }
        }
    }

    fn no_lock(&self, error: &rusqlite::Error) -> Error {
        let what = "nothing was changed, since the transaction can't get the write lock: begin it with \
                    begin_with(\"BEGIN IMMEDIATE\")";
        explain(self.home.place().path(), what, error)
    }

    /// Keeps the work, or undoes all of it.
    async fn end<T>(&self, mut guest: Guest<'_>, done: Result<T, Failure>) -> Result<T> {
        if done.is_err() {
            // SQLite may refuse, but then it has given up the whole transaction: a full disk does that.
            let _ = guest.run(UNDO, []).await;
        }
        let done = match guest.run(END, []).await {
            Err(failure) if done.is_ok() => Err(failure),
            _ => done,
        };
        done.map_err(|failure| failure.not_done(self.home.place().path()))
    }
}

/// The application's connection, as we may use it for a while.
struct Guest<'c>(&'c mut SqliteConnection);

impl Guest<'_> {
    async fn whose(&mut self) -> Result<Found, Failure> {
        let sql = include_str!("../sql/whose.sql");
        let row = query(sql, []).fetch_one(&mut *self.0).await;
        let row = row.map_err(failure)?;
        Ok(Found {
            file: row.try_get(0).map_err(failure)?,
            identity: row.try_get(1).map_err(failure)?,
        })
    }

    /// The twin of the writer's `enqueue`.
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
            Err(Failure::Sql(error)) if is_taken(&error) => {
                let holder = self.holder(task).await?;
                holder.map(Enqueued::Existing).ok_or(Failure::Sql(error))
            }
            Err(other) => Err(other),
        }
    }

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
            .number(include_str!("../sql/lane.sql"), values())
            .await?
        {
            return Ok(number);
        }
        let added = self
            .number(include_str!("../sql/add_lane.sql"), values())
            .await?;
        added.ok_or(Failure::Sql(rusqlite::Error::QueryReturnedNoRows))
    }

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

    /// The twin of the writer's `settle`, for a success: it needs no unique key, and keeps no error.
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
        let standing = query(include_str!("../sql/standing.sql"), [id.as_i64().into()]);
        let standing = standing
            .fetch_optional(&mut *self.0)
            .await
            .map_err(failure)?;
        let read = |row: SqliteRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let standing = standing.map(read).transpose().map_err(failure)?;
        Ok(moved(standing))
    }

    /// Says how many rows it changed.
    async fn run<'v>(
        &mut self,
        sql: &'static str,
        values: impl IntoIterator<Item = Value<'v>>,
    ) -> Result<u64, Failure> {
        let done = query(sql, values).execute(&mut *self.0).await;
        Ok(done.map_err(failure)?.rows_affected())
    }

    /// The first column of the first row.
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

/// SQLite's errors mean the same, whoever tells them.
fn failure(error: sqlx::Error) -> Failure {
    let told = error.as_database_error();
    let code = told.and_then(|told| told.code()?.parse().ok());
    if let (Some(told), Some(code)) = (told, code) {
        let code = rusqlite::ffi::Error::new(code);
        let message = Some(told.message().to_owned());
        return Failure::Sql(rusqlite::Error::SqliteFailure(code, message));
    }
    let text = format!("sqlx could not run a statement: {error}");
    Failure::Refused(Error::new(ErrorKind::Storage, text).with_source(error))
}
