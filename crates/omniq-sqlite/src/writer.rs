//! The one thread that writes: whatever waits shares a transaction, and answers go out after its commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use omniq_core::storage::{Claimed, Signal};
use omniq_core::{CoreSettings, Error, Result};
use tokio::sync::broadcast;

use crate::command::{Claim, Command};
use crate::inbox::{Inbox, Letter, Tray, Wake};
use crate::known::{Known, data_version};
use crate::local::Local;
use crate::lookout::Lookout;
use crate::open::{self, Opened};
use crate::trouble::{Failure, Place, retold, unknown};
use crate::write::{Batch, Effects};

/// A batch ends at so many rows …
const MAX_ROWS: usize = 1_000;
/// … or after so long, so that nobody waits for a stranger's large batch.
const MAX_TIME: Duration = Duration::from_millis(5);

pub(crate) struct Writer {
    place: Place,
    settings: CoreSettings,
    inbox: Arc<Inbox<Command>>,
    bell: broadcast::Sender<Signal>,
    local: Arc<Local>,
    /// Others have not been told yet of what was committed.
    ring_owed: bool,
    rang: Instant,
    lookout: Lookout,
    /// Gone after a failed commit, until it is opened again.
    conn: Option<Opened>,
    known: Known,
    parked: Vec<Claim>,
    reported: bool,
}

/// Who made a batch fail.
enum Culprit {
    Letter(usize),
    Parked(usize),
    Nobody,
}

/// Why a batch failed.
enum Failed {
    /// Nothing of it happened.
    Before(Culprit, Failure),
    /// Nobody knows.
    AtCommit(Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Before(Culprit::Nobody, error.into())
    }
}

impl Writer {
    pub(crate) fn new(
        place: Place,
        settings: CoreSettings,
        inbox: Arc<Inbox<Command>>,
        bell: broadcast::Sender<Signal>,
    ) -> Result<Self> {
        let conn = open::writer(&place, &settings)?;
        let local = match &place {
            Place::File(path) => Local::open(path, &conn, &inbox, &bell)?,
            Place::Memory => Local::default(),
        };
        let local = Arc::new(local);
        let (known, parked) = (Known::default(), Vec::new());
        Ok(Self {
            place,
            settings,
            inbox,
            lookout: Lookout::new(local.clone(), bell.clone(), Instant::now()),
            bell,
            local,
            ring_owed: false,
            rang: Instant::now(),
            conn: Some(conn),
            known,
            parked,
            reported: false,
        })
    }

    pub(crate) fn local(&self) -> Arc<Local> {
        self.local.clone()
    }

    /// Works until the inbox is closed and empty.
    pub(crate) fn run(mut self) {
        let mut tray = Tray::default();
        loop {
            self.ring_others(&tray);
            self.lookout.call(Instant::now());
            let wake = self.inbox.collect(&mut tray, self.patience());
            if wake == Wake::Closed {
                return;
            }
            self.parked.retain(|claim| !claim.reply.is_closed());
            if tray.is_empty() && !self.others_wrote() {
                continue;
            }
            let mut letters = Vec::new();
            match self.batch(&mut tray, &mut letters) {
                Ok(done) => self.tell(letters, done),
                Err(failed) => self.recover(failed, letters, &mut tray),
            }
        }
    }

    /// Rings for other processes: at once when there is a pause, else now and then, so that a busy writer
    /// does not spend its time on it.
    fn ring_others(&mut self, tray: &Tray<Command>) {
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
        let shared = matches!(self.place, Place::File(_));
        let usual = self.settings.poll_interval;
        let longest = self.lookout.patience(usual, Instant::now());
        (somebody_waits && shared).then_some(longest)
    }

    fn others_wrote(&self) -> bool {
        let version = self.conn.as_ref().map(|conn| data_version(conn));
        !matches!(version, Some(Ok(version)) if Some(version) == self.known.version)
    }

    /// One transaction for whatever waits. The letters that took part are in `letters` afterwards.
    fn batch(
        &mut self,
        tray: &mut Tray<Command>,
        letters: &mut Vec<Letter<Command>>,
    ) -> Result<Done, Failed> {
        let nobodys = |e: Failure| Failed::Before(Culprit::Nobody, e);
        let refused = |e: Error| nobodys(Failure::Refused(e));
        let conn = match &mut self.conn {
            Some(conn) => conn,
            gone => gone.insert(open::writer_again(&self.place, &self.settings).map_err(refused)?),
        };
        conn.check().map_err(refused)?;
        // SQLite's lock has no queue: who waits for it only tries again and again.
        let _turn = self.local.turn();
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let others_wrote = self.known.refresh(conn).map_err(nobodys)?;
        let Known {
            lanes, high_water, ..
        } = &mut self.known;
        let lanes = lanes.get_or_insert_default();
        let mut batch = Batch {
            conn,
            lanes,
            high_water,
            effects: Effects::default(),
        };
        let (started, changes) = (Instant::now(), conn.total_changes());
        let mut rows = 0;
        while rows < MAX_ROWS && started.elapsed() < MAX_TIME {
            let Some(letter) = tray.pop() else { break };
            letters.push(letter);
            let at = letters.len() - 1;
            let command = &mut letters[at].body;
            rows += command.rows();
            command
                .run(&mut batch)
                .map_err(|e| Failed::Before(Culprit::Letter(at), e))?;
        }
        look_again(&mut self.parked, letters, &mut batch, others_wrote)?;
        batch.high_water.save(conn).map_err(nobodys)?;
        let effects = batch.effects;
        let commit = conn.prepare_cached("COMMIT")?.execute([]);
        commit.map_err(|e| Failed::AtCommit(unknown(self.place.path(), &e)))?;
        // Into a file that is no longer there, nothing was committed that anybody will find.
        conn.check().map_err(|e| Failed::AtCommit(e.unknown()))?;
        Ok(Done {
            effects,
            others_wrote,
            wrote: conn.total_changes() > changes,
        })
    }

    /// After the commit: answers, and calls out what happened.
    fn tell(&mut self, letters: Vec<Letter<Command>>, done: Done) {
        // A batch that had nothing to write goes well on a full disk, too.
        if done.wrote && std::mem::take(&mut self.reported) {
            tracing::info!(database = %self.place.path().display(), "writing works again");
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
            effects,
            others_wrote,
            ..
        }: Done,
    ) {
        self.ring_owed |= effects.is_news();
        if self.bell.receiver_count() == 0 {
            return;
        }
        let some = |ids: Vec<_>| (!ids.is_empty()).then(|| Arc::from(ids));
        let signals = [
            effects.work_added.then_some(Signal::Enqueued),
            some(effects.finished).map(Signal::Finished),
            some(effects.cancelled).map(Signal::Cancelled),
            others_wrote.then_some(Signal::Unknown),
        ];
        for signal in signals.into_iter().flatten() {
            // The last listener may have left in between.
            let _ = self.bell.send(signal);
        }
    }

    /// After a failure: everyone learns the truth, and the writer is ready for the next batch.
    fn recover(&mut self, failed: Failed, letters: Vec<Letter<Command>>, tray: &mut Tray<Command>) {
        self.known = Known::default();
        match failed {
            Failed::AtCommit(error) => {
                self.report(&error.to_string());
                let caught = |claim: &mut Claim| !claim.answer.tasks.is_empty();
                let claims: Vec<_> = self.parked.extract_if(.., caught).collect();
                let claims = claims
                    .into_iter()
                    .map(|claim| Command::Claim(Box::new(claim)));
                for command in letters.into_iter().map(|letter| letter.body).chain(claims) {
                    command.failed(retold(&error).unknown());
                }
                self.give_up_connection();
            }
            Failed::Before(culprit, failure) => {
                self.roll_back();
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
        failure: &Failure,
        mut letters: Vec<Letter<Command>>,
        tray: &mut Tray<Command>,
    ) {
        let error = failure.not_done(self.place.path());
        match culprit {
            Culprit::Letter(at) if !failure.is_general() => {
                letters.remove(at).body.failed(error);
                tray.put_back(letters);
            }
            Culprit::Parked(at) if !failure.is_general() => {
                Command::Claim(Box::new(self.parked.remove(at))).failed(error);
                tray.put_back(letters);
            }
            _ => {
                self.report(&error.to_string());
                // Those that were not reached yet would fare no better.
                letters.extend(std::iter::from_fn(|| tray.pop()));
                for letter in letters {
                    letter.body.failed(failure.not_done(self.place.path()));
                }
                self.give_up_connection();
            }
        }
    }

    /// SQLite may have ended the transaction by itself: a full disk does.
    fn roll_back(&mut self) {
        let Some(conn) = &self.conn else { return };
        if !conn.is_autocommit() && conn.execute_batch("ROLLBACK").is_err() {
            self.give_up_connection();
        }
    }

    /// A database in memory lives and dies with its connection.
    fn give_up_connection(&mut self) {
        if matches!(self.place, Place::File(_)) {
            self.conn = None;
        } else {
            self.roll_back();
        }
    }

    /// Says it once per change of condition.
    fn report(&mut self, error: &str) {
        if !std::mem::replace(&mut self.reported, true) {
            tracing::warn!(database = %self.place.path().display(), error, "writing fails");
        }
    }
}

/// What a committed batch did.
struct Done {
    effects: Effects,
    others_wrote: bool,
    wrote: bool,
}

impl Drop for Writer {
    /// Also after a panic: nobody may wait for a thread that is gone.
    fn drop(&mut self) {
        self.inbox.close();
        self.inbox.clear();
    }
}

/// Claims that found nothing look once more, if there may be work by now.
fn look_again(
    parked: &mut [Claim],
    letters: &mut [Letter<Command>],
    batch: &mut Batch<'_>,
    others_wrote: bool,
) -> Result<(), Failed> {
    let failed = |culprit| move |e| Failed::Before(culprit, e);
    if batch.effects.work_added || others_wrote {
        for (at, claim) in parked.iter_mut().enumerate() {
            let retried = claim.try_again(batch);
            retried.map_err(failed(Culprit::Parked(at)))?;
        }
    }
    if batch.effects.work_added {
        // Claims go before enqueues: those of this batch have looked before the work was there.
        for (at, letter) in letters.iter_mut().enumerate() {
            let retried = letter.body.try_again(batch);
            retried.map_err(failed(Culprit::Letter(at)))?;
        }
    }
    Ok(())
}
