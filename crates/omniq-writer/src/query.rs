//! A question to a thread that looks, and whom to answer.

use omniq_core::{Error, Result};
use tokio::sync::oneshot;

use crate::inbox::Inbox;

/// A question that is asked of eyes `V`; again, if the batch that it shared is run again.
pub struct Query<V, F>(Box<dyn Ask<V, F>>);

trait Ask<V, F>: Send {
    fn run(&mut self, eyes: &mut V) -> Result<(), F>;
    fn answer(self: Box<Self>, failure: Option<Error>);
}

struct Question<A, T> {
    ask: A,
    found: Option<T>,
    reply: oneshot::Sender<Result<T>>,
}

impl<V, F, A, T> Ask<V, F> for Question<A, T>
where
    A: FnMut(&mut V) -> Result<T, F> + Send,
    T: Send,
{
    fn run(&mut self, eyes: &mut V) -> Result<(), F> {
        self.found = Some((self.ask)(eyes)?);
        Ok(())
    }

    // A caller that went away needs no answer: sending to it is allowed to fail.
    fn answer(self: Box<Self>, failure: Option<Error>) {
        let _ = match (failure, self.found) {
            (Some(error), _) => self.reply.send(Err(error)),
            (None, Some(found)) => self.reply.send(Ok(found)),
            (None, None) => Ok(()),
        };
    }
}

impl<V, F> Query<V, F> {
    pub(crate) fn new<T, A>(ask: A) -> (Self, oneshot::Receiver<Result<T>>)
    where
        A: FnMut(&mut V) -> Result<T, F> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        (
            Self(Box::new(Question {
                ask,
                found: None,
                reply,
            })),
            answer,
        )
    }

    /// Finds the answer, and keeps it.
    ///
    /// # Errors
    ///
    /// Those of the question.
    pub fn run(&mut self, eyes: &mut V) -> Result<(), F> {
        self.0.run(eyes)
    }

    /// Tells the answer that was found.
    pub fn answer(self) {
        self.0.answer(None);
    }

    /// Tells why there is none.
    pub fn failed(self, error: Error) {
        self.0.answer(Some(error));
    }
}

impl<V, F> Inbox<Query<V, F>> {
    /// Asks one of the threads that look.
    ///
    /// # Errors
    ///
    /// Those of the question, as the thread tells them; of kind [`Closed`](omniq_core::ErrorKind::Closed) after the closing.
    pub async fn ask<T, A>(&self, ask: A) -> Result<T>
    where
        A: FnMut(&mut V) -> Result<T, F> + Send + 'static,
        T: Send + 'static,
    {
        let (look, answer) = Query::new(ask);
        self.send(false, look).await?;
        answer.await.map_err(|_| self.closed())?
    }
}
