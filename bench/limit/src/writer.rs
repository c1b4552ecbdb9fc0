//! One thread: takes what waits, writes it in one transaction, and answers after the commit.

use std::collections::VecDeque;
use std::sync::mpsc::Receiver;

use tokio::sync::oneshot::Sender;

use crate::store::{Claim, Row, Store};

/// How many letters share a commit.
const BATCH: usize = 1_000;

pub enum Letter {
    Insert(Vec<Row>, Sender<()>),
    /// What a worker finished, and whom to give the next task.
    Turn(Option<i64>, Sender<Claim>),
    Succeeded(Sender<u64>),
    /// Workers get no more tasks; answered when all that they had is finished and committed.
    Stop(Sender<()>),
}

pub struct Writer<S> {
    store: S,
    /// How many tasks are claimed ahead, and handed out without waiting for a commit.
    prefetch: usize,
    /// Workers get what an enqueue brought in a second commit, not in that of the enqueue.
    own_commit: bool,
    ahead: VecDeque<Claim>,
    hungry: VecDeque<Sender<Claim>>,
    /// Handed out, and not heard of since.
    out: usize,
    finished: Vec<i64>,
    stop: Option<Sender<()>>,
}

impl<S: Store> Writer<S> {
    pub fn new(store: S, prefetch: usize, own_commit: bool) -> Self {
        Self {
            store,
            prefetch,
            own_commit,
            ahead: VecDeque::new(),
            hungry: VecDeque::new(),
            out: 0,
            finished: Vec::new(),
            stop: None,
        }
    }

    pub fn run(mut self, inbox: Receiver<Letter>) {
        while let Ok(first) = inbox.recv() {
            let others = inbox.try_iter().take(BATCH - 1);
            let batch: Vec<_> = std::iter::once(first).chain(others).collect();
            let (rows, stored) = self.read(batch);
            self.write(rows, stored);
            self.hand_out();
        }
    }

    /// Puts each letter where it belongs; what is to be stored, and who waits for that, comes back.
    fn read(&mut self, batch: Vec<Letter>) -> (Vec<Row>, Vec<Sender<()>>) {
        let (mut rows, mut stored) = (Vec::new(), Vec::new());
        for letter in batch {
            match letter {
                Letter::Insert(new, reply) => {
                    rows.extend(new);
                    stored.push(reply);
                }
                Letter::Turn(finished, reply) => {
                    self.out -= usize::from(finished.is_some());
                    self.finished.extend(finished);
                    self.hungry.push_back(reply);
                }
                Letter::Stop(reply) => self.stop = Some(reply),
                Letter::Succeeded(reply) => answer(reply, self.store.succeeded()),
            }
        }
        (rows, stored)
    }

    /// One commit, if there is a reason for one; two if claims are to have their own.
    fn write(&mut self, rows: Vec<Row>, stored: Vec<Sender<()>>) {
        let seats = self.hungry.len();
        let enough = self.stop.is_some() || seats <= self.ahead.len();
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
            let wanted = self.hungry.len() + self.prefetch - self.ahead.len();
            self.ahead.extend(self.store.claim(wanted));
        }
        self.store.commit();
    }

    fn hand_out(&mut self) {
        if self.stop.is_some() {
            self.hungry.clear();
            if self.out == 0 {
                self.ahead.clear();
                self.stop
                    .take()
                    .into_iter()
                    .for_each(|reply| answer(reply, ()));
            }
            return;
        }
        let fed = self.hungry.len().min(self.ahead.len());
        self.out += fed;
        for (hungry, claim) in self.hungry.drain(..fed).zip(self.ahead.drain(..fed)) {
            answer(hungry, claim);
        }
    }
}

/// Whoever asked may have gone.
fn answer<T>(reply: Sender<T>, value: T) {
    let _ = reply.send(value);
}
