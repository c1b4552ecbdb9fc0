//! The writer thread: all waiting commands share a batch, and are answered after its commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use omniq_core::Error;
use omniq_core::storage::{Claimed, Effects, Signal};
use tokio::sync::broadcast;

use crate::command::{Claim, Command};
use crate::death_reminder::DeathReminder;
use crate::engine::{CommitError, Committed, Engine, Failure as _};
use crate::inbox::{Inbox, Pending, Queued, Wake};
use crate::neighbours::Neighbours;

/// A batch takes no further command after this many rows, or after [`Engine::MAX_BATCH_TIME`].
const MAX_ROWS: usize = 1_000;

/// The shortest time between two rings while commands wait.
const RING_PAUSE: Duration = Duration::from_millis(5);

/// How long a command waits for its companion: a tenth of a flush.
const COMPANION_WAIT: Duration = Duration::from_micros(15);

pub(crate) struct Thread<E: Engine> {
    engine: E,
    poll_interval: Duration,
    inbox: Arc<Inbox<Command<E>>>,
    signals: broadcast::Sender<Signal>,
    neighbours: Arc<Neighbours>,
    /// Other processes have not been notified yet of what was committed.
    ring_owed: bool,
    last_ring: Instant,
    death_reminder: DeathReminder,
    parked: Vec<Claim<E>>,
    failure_logged: bool,
}

/// The command that made a batch fail.
enum Culprit {
    Queued(usize),
    Parked(usize),
    Nobody,
}

/// Why a batch failed.
enum Failed<F> {
    /// Nothing was changed.
    NotCommitted(Culprit, F),
    /// It is unknown whether it was committed.
    Unknown(Error),
}

/// What a batch did.
struct Done {
    committed: Committed,
    others_wrote: bool,
}

impl<E: Engine> Thread<E> {
    pub(crate) fn new(
        engine: E,
        poll_interval: Duration,
        inbox: Arc<Inbox<Command<E>>>,
        signals: broadcast::Sender<Signal>,
        neighbours: Arc<Neighbours>,
    ) -> Self {
        let now = Instant::now();
        Self {
            engine,
            poll_interval,
            inbox,
            death_reminder: DeathReminder::new(neighbours.clone(), signals.clone(), now),
            signals,
            neighbours,
            ring_owed: false,
            last_ring: now,
            parked: Vec::new(),
            failure_logged: false,
        }
    }

    /// Works until the inbox is closed and empty.
    pub(crate) fn run(mut self) {
        let mut pending = Pending::default();
        loop {
            self.ring_if_due(&pending);
            self.death_reminder.send_if_due(Instant::now());
            let wake = self.inbox.collect(&mut pending, self.patience());
            if wake == Wake::Closed {
                return;
            }
            if wake == Wake::Work {
                self.wait_for_companion(&mut pending);
            }
            self.parked.retain(|claim| !claim.reply.is_closed());
            if pending.is_empty() && !self.engine.others_wrote() {
                continue;
            }
            let mut taken = Vec::new();
            match self.batch(&mut pending, &mut taken) {
                Ok(done) => self.answer(taken, done),
                Err(failed) => self.recover(failed, taken, &mut pending),
            }
        }
    }

    /// Waits for the second of two commands that a pool sends microseconds apart, what it finished and what it
    /// requests next, so that they share a commit.
    fn wait_for_companion(&self, pending: &mut Pending<Command<E>>) {
        let has_companion = |queued: &Queued<Command<E>>| queued.body.has_companion();
        if !pending.only().is_some_and(has_companion) {
            return;
        }
        let began = Instant::now();
        while self.inbox.is_empty() && began.elapsed() < COMPANION_WAIT {
            std::hint::spin_loop();
        }
        self.inbox.collect_more(pending);
    }

    /// Rings for other processes: immediately if no command waits, otherwise from time to time, so that a busy
    /// writer does not spend its time on it.
    fn ring_if_due(&mut self, pending: &Pending<Command<E>>) {
        let pause = pending.is_empty() && self.inbox.is_empty();
        if self.ring_owed && (pause || self.last_ring.elapsed() > RING_PAUSE) {
            self.ring_owed = false;
            self.last_ring = Instant::now();
            self.neighbours.ring();
        }
    }

    /// Returns how long the thread may sleep before it checks what other processes did.
    fn patience(&self) -> Option<Duration> {
        let is_awaited = !self.parked.is_empty() || self.signals.receiver_count() > 0;
        if !is_awaited || !self.engine.is_shared() {
            return None;
        }
        let now = Instant::now();
        Some(self.death_reminder.patience(self.poll_interval, now))
    }

    /// Executes one batch of waiting commands. Those that took part are in `taken` afterwards.
    fn batch(
        &mut self,
        pending: &mut Pending<Command<E>>,
        taken: &mut Vec<Queued<Command<E>>>,
    ) -> Result<Done, Failed<E::Failure>> {
        let nobodys = |failure| Failed::NotCommitted(Culprit::Nobody, failure);
        let engine = &mut self.engine;
        engine.prepare().map_err(|e| nobodys(e.into()))?;
        // The data's own lock has no fair queue: this one has, for the writers of all processes.
        let _write_lock = self.neighbours.write_lock();
        let others_wrote = engine.begin().map_err(nobodys)?;
        let started = Instant::now();
        let mut rows = 0;
        while rows < MAX_ROWS && started.elapsed() < E::MAX_BATCH_TIME {
            let Some(queued) = pending.pop() else { break };
            taken.push(queued);
            let at = taken.len() - 1;
            let command = &mut taken[at].body;
            rows += command.rows();
            command
                .run(engine)
                .map_err(|e| Failed::NotCommitted(Culprit::Queued(at), e))?;
        }
        retry_claims(&mut self.parked, taken, engine, others_wrote)?;
        let committed = engine.commit().map_err(|error| match error {
            CommitError::NotCommitted(failure) => nobodys(failure),
            CommitError::Unknown(error) => Failed::Unknown(error),
        })?;
        Ok(Done {
            committed,
            others_wrote,
        })
    }

    /// Answers all commands after the commit, and notifies others of what changed.
    fn answer(&mut self, taken: Vec<Queued<Command<E>>>, done: Done) {
        // A batch with nothing to write succeeds on a full disk, too.
        if done.committed.wrote && std::mem::take(&mut self.failure_logged) {
            tracing::info!(storage = %self.engine.path().display(), "writing works again");
        }
        let (parked, answered): (Vec<_>, Vec<_>) = self
            .parked
            .drain(..)
            .partition(|claim| claim.stays_parked());
        self.parked = parked;
        for claim in answered {
            claim.committed(&self.inbox);
        }
        let newly_parked = taken
            .into_iter()
            .filter_map(|queued| queued.body.committed(&self.inbox));
        self.parked.extend(newly_parked);
        self.notify(done.committed.effects, done.others_wrote);
    }

    /// Sends signals to the listeners of this process, and remembers to ring for other processes.
    fn notify(&mut self, effects: Effects, others_wrote: bool) {
        self.ring_owed |= !effects.is_empty();
        if self.signals.receiver_count() == 0 {
            return;
        }
        let unknown = others_wrote.then_some(Signal::Unknown);
        for signal in effects.into_signals().chain(unknown) {
            // The last listener may have been dropped meanwhile.
            let _ = self.signals.send(signal);
        }
    }

    /// Answers callers after a failure, and makes the engine ready for the next batch.
    fn recover(
        &mut self,
        failed: Failed<E::Failure>,
        taken: Vec<Queued<Command<E>>>,
        pending: &mut Pending<Command<E>>,
    ) {
        match failed {
            Failed::Unknown(error) => {
                self.log_failure(&error);
                let error = error.unknown();
                let took_tasks = |claim: &mut Claim<E>| !claim.answer.tasks.is_empty();
                let claims: Vec<_> = self.parked.extract_if(.., took_tasks).collect();
                let claims = claims
                    .into_iter()
                    .map(|claim| Command::Claim(Box::new(claim)));
                for command in taken.into_iter().map(|queued| queued.body).chain(claims) {
                    command.failed(error.clone().unknown());
                }
                self.engine.reset();
            }
            Failed::NotCommitted(culprit, failure) => {
                self.engine.roll_back();
                // What parked claims had taken was rolled back with the rest.
                for claim in &mut self.parked {
                    claim.answer = Claimed::default();
                }
                self.answer_failure(culprit, &failure, taken, pending);
            }
        }
    }

    /// Answers after a rollback. If one command failed for a reason of its own, the others are put back and run
    /// again; otherwise the failure is environmental, and all commands are answered.
    fn answer_failure(
        &mut self,
        culprit: Culprit,
        failure: &E::Failure,
        mut taken: Vec<Queued<Command<E>>>,
        pending: &mut Pending<Command<E>>,
    ) {
        let error = failure.not_done(self.engine.path());
        match culprit {
            Culprit::Queued(at) if !failure.is_environmental() => {
                taken.remove(at).body.failed(error);
                pending.put_back(taken);
            }
            Culprit::Parked(at) if !failure.is_environmental() => {
                Command::Claim(Box::new(self.parked.remove(at))).failed(error);
                pending.put_back(taken);
            }
            _ => {
                self.log_failure(&error);
                // Commands that were not reached yet would fail, too.
                taken.extend(std::iter::from_fn(|| pending.pop()));
                for queued in taken {
                    queued.body.failed(error.clone());
                }
                self.engine.reset();
            }
        }
    }

    /// Logs the first of several failures.
    fn log_failure(&mut self, error: &Error) {
        if !std::mem::replace(&mut self.failure_logged, true) {
            let storage = self.engine.path().display();
            tracing::warn!(%storage, error = %error.chain(), "writing fails");
        }
    }
}

impl<E: Engine> Drop for Thread<E> {
    /// Answers all callers that wait, also after a panic: the commands that are dropped close their replies.
    fn drop(&mut self) {
        self.inbox.close();
        self.inbox.clear();
    }
}

/// Retries the claims that found nothing, if there may be work now.
fn retry_claims<E: Engine>(
    parked: &mut [Claim<E>],
    taken: &mut [Queued<Command<E>>],
    engine: &mut E,
    others_wrote: bool,
) -> Result<(), Failed<E::Failure>> {
    let failed = |culprit| move |failure| Failed::NotCommitted(culprit, failure);
    if engine.effects().work_added.is_some() || others_wrote {
        for (at, claim) in parked.iter_mut().enumerate() {
            let retried = claim.retry(engine);
            retried.map_err(failed(Culprit::Parked(at)))?;
        }
    }
    if engine.effects().work_added.is_some() {
        // Claims go before enqueues, so those of this batch were executed before the work was added.
        for (at, queued) in taken.iter_mut().enumerate() {
            let retried = queued.body.retry(engine);
            retried.map_err(failed(Culprit::Queued(at)))?;
        }
    }
    Ok(())
}
