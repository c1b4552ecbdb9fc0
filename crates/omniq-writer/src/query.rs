//! A query to a thread that reads, and the caller that waits for its answer.

use omniq_core::{Error, Result};
use tokio::sync::oneshot;

use crate::inbox::Inbox;

/// A query on a reader `R`. It is run again if the batch that it shares is run again.
pub struct Query<R, F>(Box<dyn Answerable<R, F>>);

trait Answerable<R, F>: Send {
    fn run(&mut self, reader: &mut R) -> Result<(), F>;
    fn answer(self: Box<Self>, failure: Option<Error>);
}

struct Waiting<Q, T> {
    query: Q,
    found: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<R, F, Q, T> Answerable<R, F> for Waiting<Q, T>
where
    Q: FnMut(&mut R) -> Result<T, F> + Send,
    T: Send,
{
    fn run(&mut self, reader: &mut R) -> Result<(), F> {
        self.found = Some((self.query)(reader)?);
        Ok(())
    }

    // The caller may have stopped waiting: sending to it is allowed to fail.
    fn answer(self: Box<Self>, failure: Option<Error>) {
        let _ = match (failure, self.found) {
            (Some(error), _) => self.reply.send(Err(error)),
            (None, Some(found)) => self.reply.send(Ok(found)),
            (None, None) => Ok(()),
        };
    }
}

impl<R, F> Query<R, F> {
    pub(crate) fn new<T, Q>(query: Q) -> (Self, oneshot::Receiver<Result<T>>)
    where
        Q: FnMut(&mut R) -> Result<T, F> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting {
            query,
            found: None,
            reply,
        };
        (Self(Box::new(waiting)), answer)
    }

    /// Runs the query and stores its result.
    ///
    /// # Errors
    ///
    /// Those of the query.
    pub fn run(&mut self, reader: &mut R) -> Result<(), F> {
        self.0.run(reader)
    }

    /// Answers with the stored result.
    pub fn answer(self) {
        self.0.answer(None);
    }

    /// Answers with an error.
    pub fn failed(self, error: Error) {
        self.0.answer(Some(error));
    }
}

impl<R, F> Inbox<Query<R, F>> {
    /// Sends a query to a thread that reads, and waits for the answer.
    ///
    /// # Errors
    ///
    /// Those that the thread answers with; of kind [`Closed`](omniq_core::ErrorKind::Closed) after the inbox was
    /// closed.
    pub async fn ask<T, Q>(&self, query: Q) -> Result<T>
    where
        Q: FnMut(&mut R) -> Result<T, F> + Send + 'static,
        T: Send + 'static,
    {
        let (query, answer) = Query::new(query);
        self.send(false, query).await?;
        answer.await.map_err(|_| self.closed())?
    }
}
