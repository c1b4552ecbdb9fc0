//! The thread: whatever waits shares a batch, and answers go out after its commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use omniq_core::Error;
use omniq_core::storage::{Claimed, Signal};
use tokio::sync::broadcast;

use crate::command::{Claim, Command};
use crate::death_reminder::DeathReminder;
use crate::engine::{CommitError, Committed, Engine, Failure as _};
use crate::inbox::{Inbox, Pending, Queued, Wake};
use crate::neighbours::Neighbours;

/// A batch ends at so many rows …
const MAX_ROWS: usize = 1_000;
/// … or after so long, so that nobody waits for a stranger's large batch.
const MAX_TIME: Duration = Duration::from_millis(5);

/// How long half a turn waits for the other half: a tenth of a flush.
const COMPANY: Duration = Duration::from_micros(15);

pub(crate) struct Thread<E: Engine> {
    engine: E,
    poll_interval: Duration,
    inbox: Arc<Inbox<Command<E>>>,
    bell: broadcast::Sender<Signal>,
    local: Arc<Neighbours>,
    /// Others have not been told yet of what was committed.
    ring_owed: bool,
    rang: Instant,
    death_reminder: DeathReminder,
    parked: Vec<Claim<E>>,
    reported: bool,
}

/// Who made a batch fail.
enum Culprit {
    Queued(usize),
    Parked(usize),
    Nobody,
}

/// Why a batch failed.
enum Failed<F> {
    /// Nothing of it happened.
    Before(Culprit, F),
    /// Nobody knows.
    AtCommit(Error),
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
        bell: broadcast::Sender<Signal>,
        local: Arc<Neighbours>,
    ) -> Self {
        let now = Instant::now();
        Self {
            engine,
            poll_interval,
            inbox,
            death_reminder: DeathReminder::new(local.clone(), bell.clone(), now),
            bell,
            local,
            ring_owed: false,
            rang: now,
            parked: Vec::new(),
            reported: false,
        }
    }

    /// Works until the inbox is closed and empty.
    pub(crate) fn run(mut self) {
        let mut tray = Pending::default();
        loop {
            self.ring_others(&tray);
            self.death_reminder.call(Instant::now());
            let wake = self.inbox.collect(&mut tray, self.patience());
            if wake == Wake::Closed {
                return;
            }
            if wake == Wake::Work {
                self.wait_for_company(&mut tray);
            }
            self.parked.retain(|claim| !claim.reply.is_closed());
            if tray.is_empty() && !self.engine.others_wrote() {
                continue;
            }
            let mut letters = Vec::new();
            match self.batch(&mut tray, &mut letters) {
                Ok(done) => self.tell(letters, done),
                Err(failed) => self.recover(failed, letters, &mut tray),
            }
        }
    }

    /// A pool sends what it finished and what it wants next in two letters, microseconds apart: they are to
    /// share a commit.
    fn wait_for_company(&self, tray: &mut Pending<Command<E>>) {
        let is_half = |letter: &Queued<Command<E>>| letter.body.is_half_a_turn();
        if !tray.only().is_some_and(is_half) {
            return;
        }
        let began = Instant::now();
        while self.inbox.is_empty() && began.elapsed() < COMPANY {
            std::hint::spin_loop();
        }
        self.inbox.collect_more(tray);
    }

    /// Rings for other processes: at once when there is a pause, else now and then, so that a busy writer
    /// does not spend its time on it.
    fn ring_others(&mut self, tray: &Pending<Command<E>>) {
        let pause = tray.is_empty() && self.inbox.is_empty();
        if self.ring_owed && (pause || self.rang.elapsed() > MAX_TIME) {
            self.ring_owed = false;
            self.rang = Instant::now();
            self.local.ring();
        }
    }

    /// How long it may sleep before it looks for what other processes did.
    fn patience(&self) -> Option<Duration> {
        let somebody_waits = !self.parked.is_empty() || self.bell.receiver_count() > 0;
        let shared = self.engine.is_shared();
        let longest = self
            .death_reminder
            .patience(self.poll_interval, Instant::now());
        (somebody_waits && shared).then_some(longest)
    }

    /// One batch for whatever waits. The letters that took part are in `letters` afterwards.
    fn batch(
        &mut self,
        tray: &mut Pending<Command<E>>,
        letters: &mut Vec<Queued<Command<E>>>,
    ) -> Result<Done, Failed<E::Failure>> {
        let nobodys = |e| Failed::Before(Culprit::Nobody, e);
        let engine = &mut self.engine;
        engine.prepare().map_err(|e| nobodys(e.into()))?;
        // The lock of the data has no queue, or a poor one: here, writers of all processes have one.
        let _turn = self.local.turn();
        let others_wrote = engine.begin().map_err(nobodys)?;
        let started = Instant::now();
        let mut rows = 0;
        while rows < MAX_ROWS && started.elapsed() < MAX_TIME {
            let Some(letter) = tray.pop() else { break };
            letters.push(letter);
            let at = letters.len() - 1;
            let command = &mut letters[at].body;
            rows += command.rows();
            command
                .run(engine)
                .map_err(|e| Failed::Before(Culprit::Queued(at), e))?;
        }
        look_again(&mut self.parked, letters, engine, others_wrote)?;
        let committed = engine.commit().map_err(|broken| match broken {
            CommitError::NotCommitted(failure) => nobodys(failure),
            CommitError::Unknown(error) => Failed::AtCommit(error),
        })?;
        Ok(Done {
            committed,
            others_wrote,
        })
    }

    /// After the commit: answers, and calls out what happened.
    fn tell(&mut self, letters: Vec<Queued<Command<E>>>, done: Done) {
        // A batch that had nothing to write goes well on a full disk, too.
        if done.committed.wrote && std::mem::take(&mut self.reported) {
            tracing::info!(storage = %self.engine.path().display(), "writing works again");
        }
        let (stay, go): (Vec<_>, Vec<_>) = self
            .parked
            .drain(..)
            .partition(|claim| claim.stays_parked());
        self.parked = stay;
        for claim in go {
            claim.committed(&self.inbox);
        }
        let parked = letters
            .into_iter()
            .filter_map(|letter| letter.body.committed(&self.inbox));
        self.parked.extend(parked);
        self.ring(done);
    }

    fn ring(
        &mut self,
        Done {
            committed: Committed { effects, .. },
            others_wrote,
        }: Done,
    ) {
        self.ring_owed |= !effects.is_empty();
        if self.bell.receiver_count() == 0 {
            return;
        }
        let others = others_wrote.then_some(Signal::Unknown);
        for signal in effects.into_signals().chain(others) {
            // The last listener may have left in between.
            let _ = self.bell.send(signal);
        }
    }

    /// After a failure: everyone learns the truth, and the writer is ready for the next batch.
    fn recover(
        &mut self,
        failed: Failed<E::Failure>,
        letters: Vec<Queued<Command<E>>>,
        tray: &mut Pending<Command<E>>,
    ) {
        match failed {
            Failed::AtCommit(error) => {
                self.report(&error.to_string());
                let caught = |claim: &mut Claim<E>| !claim.answer.tasks.is_empty();
                let claims: Vec<_> = self.parked.extract_if(.., caught).collect();
                let claims = claims
                    .into_iter()
                    .map(|claim| Command::Claim(Box::new(claim)));
                for command in letters.into_iter().map(|letter| letter.body).chain(claims) {
                    command.failed(error.clone().unknown());
                }
                self.engine.reset();
            }
            Failed::Before(culprit, failure) => {
                self.engine.roll_back();
                // What a parked claim got was rolled back with the rest.
                self.parked
                    .iter_mut()
                    .for_each(|claim| claim.answer = Claimed::default());
                self.blame(culprit, &failure, letters, tray);
            }
        }
    }

    /// Nothing of the batch happened. One bad command must not cost the others theirs.
    fn blame(
        &mut self,
        culprit: Culprit,
        failure: &E::Failure,
        mut letters: Vec<Queued<Command<E>>>,
        tray: &mut Pending<Command<E>>,
    ) {
        let error = failure.not_done(self.engine.path());
        match culprit {
            Culprit::Queued(at) if !failure.is_environmental() => {
                letters.remove(at).body.failed(error);
                tray.put_back(letters);
            }
            Culprit::Parked(at) if !failure.is_environmental() => {
                Command::Claim(Box::new(self.parked.remove(at))).failed(error);
                tray.put_back(letters);
            }
            _ => {
                self.report(&error.to_string());
                // Those that were not reached yet would fare no better.
                letters.extend(std::iter::from_fn(|| tray.pop()));
                for letter in letters {
                    letter.body.failed(failure.not_done(self.engine.path()));
                }
                self.engine.reset();
            }
        }
    }

    /// Says it once per change of condition.
    fn report(&mut self, error: &str) {
        if !std::mem::replace(&mut self.reported, true) {
            tracing::warn!(storage = %self.engine.path().display(), error, "writing fails");
        }
    }
}

impl<E: Engine> Drop for Thread<E> {
    /// Also after a panic: nobody may wait for a thread that is gone.
    fn drop(&mut self) {
        self.inbox.close();
        self.inbox.clear();
    }
}

/// Claims that found nothing look once more, if there may be work by now.
fn look_again<E: Engine>(
    parked: &mut [Claim<E>],
    letters: &mut [Queued<Command<E>>],
    engine: &mut E,
    others_wrote: bool,
) -> Result<(), Failed<E::Failure>> {
    let failed = |culprit| move |e| Failed::Before(culprit, e);
    if engine.effects().work_added.is_some() || others_wrote {
        for (at, claim) in parked.iter_mut().enumerate() {
            let retried = claim.try_again(engine);
            retried.map_err(failed(Culprit::Parked(at)))?;
        }
    }
    if engine.effects().work_added.is_some() {
        // Claims go before enqueues: those of this batch have looked before the work was there.
        for (at, letter) in letters.iter_mut().enumerate() {
            let retried = letter.body.try_again(engine);
            retried.map_err(failed(Culprit::Queued(at)))?;
        }
    }
    Ok(())
}
