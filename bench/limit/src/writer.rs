//! The writer thread: executes all waiting commands in one transaction, and answers after the commit.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;

use tokio::sync::oneshot::Sender;

use crate::store::{Claim, Row, Store};

/// The maximum number of commands per commit.
const BATCH: usize = 1_000;

pub enum Command {
    Insert(Vec<Row>, Sender<()>),
    /// The task that a worker has finished, and where to send its next task.
    FinishAndClaim(Option<i64>, Sender<Claim>),
    Succeeded(Sender<u64>),
    /// Stops handing out tasks. Answered when all tasks that were handed out are finished and committed.
    Stop(Sender<()>),
}

pub struct Writer<S> {
    store: S,
    /// The number of tasks that are claimed ahead, and handed out without waiting for a commit.
    prefetch: usize,
    /// Claims new tasks in a second commit, not in the commit of the enqueue.
    own_commit: bool,
    claimed_ahead: VecDeque<Claim>,
    waiting_workers: VecDeque<Sender<Claim>>,
    /// The number of tasks that were handed out and are not finished.
    running: usize,
    finished: Vec<i64>,
    stop: Option<Sender<()>>,
}

impl<S: Store> Writer<S> {
    pub fn new(store: S, prefetch: usize, own_commit: bool) -> Self {
        Self {
            store,
            prefetch,
            own_commit,
            claimed_ahead: VecDeque::new(),
            waiting_workers: VecDeque::new(),
            running: 0,
            finished: Vec::new(),
            stop: None,
        }
    }

    pub fn run(mut self, inbox: Receiver<Command>) {
        while let Ok(first) = inbox.recv() {
            let others = inbox.try_iter().take(BATCH - 1);
            let batch: Vec<_> = std::iter::once(first).chain(others).collect();
            let (rows, stored) = self.sort_commands(batch);
            self.write(rows, stored);
            self.hand_out();
        }
    }

    /// Executes the commands that need no commit, and sorts the others. Returns the rows to store, and the callers that
    /// wait for them.
    fn sort_commands(&mut self, batch: Vec<Command>) -> (Vec<Row>, Vec<Sender<()>>) {
        let (mut rows, mut stored) = (Vec::new(), Vec::new());
        for command in batch {
            match command {
                Command::Insert(new, reply) => {
                    rows.extend(new);
                    stored.push(reply);
                }
                Command::FinishAndClaim(finished, reply) => {
                    self.running -= usize::from(finished.is_some());
                    self.finished.extend(finished);
                    self.waiting_workers.push_back(reply);
                }
                Command::Stop(reply) => self.stop = Some(reply),
                Command::Succeeded(reply) => answer(reply, self.store.succeeded()),
            }
        }
        (rows, stored)
    }

    /// Makes one commit if there is work to write, or two if claims have a commit of their own.
    fn write(&mut self, rows: Vec<Row>, stored: Vec<Sender<()>>) {
        let free_seats = self.waiting_workers.len();
        let enough = self.stop.is_some() || free_seats <= self.claimed_ahead.len();
        let nothing_new = rows.is_empty();
        if nothing_new && enough && self.stop.is_none() {
            return;
        }
        let claim_here = !enough && (nothing_new || !self.own_commit);
        self.commit(rows, claim_here);
        stored.into_iter().for_each(|reply| answer(reply, ()));
        if !enough && !claim_here {
            self.commit(Vec::new(), true);
        }
    }

    fn commit(&mut self, rows: Vec<Row>, claim: bool) {
        self.store.begin();
        rows.into_iter().for_each(|row| self.store.insert(row));
        self.finished.drain(..).for_each(|id| self.store.settle(id));
        if claim {
            let wanted = self.waiting_workers.len() + self.prefetch - self.claimed_ahead.len();
            self.claimed_ahead.extend(self.store.claim(wanted));
        }
        self.store.commit();
    }

    fn hand_out(&mut self) {
        if self.stop.is_some() {
            self.waiting_workers.clear();
            if self.running == 0 {
                self.claimed_ahead.clear();
                self.stop
                    .take()
                    .into_iter()
                    .for_each(|reply| answer(reply, ()));
            }
            return;
        }
        let count = self.waiting_workers.len().min(self.claimed_ahead.len());
        self.running += count;
        for (worker, claim) in self
            .waiting_workers
            .drain(..count)
            .zip(self.claimed_ahead.drain(..count))
        {
            answer(worker, claim);
        }
    }
}

/// Sends an answer. The caller may have been dropped.
fn answer<T>(reply: Sender<T>, value: T) {
    let _ = reply.send(value);
}
