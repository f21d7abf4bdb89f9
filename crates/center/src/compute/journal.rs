//! Makes durable what the scheduler says must be, many calls in one transaction, in the order in which they were decided.
//!
//! (A) Who waits hears nothing before everything decided before it is durable. (B) A database that cannot be written holds all
//! back, nothing is forgotten and nothing said; more than [`WAITING_MAX`] calls are refused.

use super::store::{self, Word};
use crate::Center;
use crate::ledger::settle::results::{self, Paid};
use model::compute::JobState;
use model::{Alias, JobId};
use rules::compute::{Record, Standing};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Calls that wait for the database.
pub const WAITING_MAX: usize = 8_192;
/// Calls in one transaction.
const BATCH_MAX: usize = 512;
/// After a transaction that failed.
const AGAIN: Duration = Duration::from_millis(500);

/// What one decision makes durable.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// Records by job.
    pub records: BTreeMap<JobId, Vec<Record>>,
    /// What nodes' results are worth from now on.
    pub standings: Vec<(Alias, Standing)>,
    /// Jobs that ended: how, and how they stood.
    pub ended: Vec<(JobId, JobState, Vec<u8>)>,
    /// A node's word.
    pub word: Option<Word>,
    /// Jobs that are forgotten: these records take the place of all they had.
    pub folded: BTreeMap<JobId, Vec<Record>>,
    /// Results that are paid.
    pub paid: Vec<Paid>,
    /// Numbers of the next records of jobs that were read from the database anew.
    pub next: BTreeMap<JobId, u64>,
}

impl Written {
    /// Nothing has to be written.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
            && self.standings.is_empty()
            && self.ended.is_empty()
            && self.word.is_none()
            && self.folded.is_empty()
            && self.paid.is_empty()
    }
}

/// A call that waits.
struct Waiting(Written, oneshot::Sender<()>);

/// The way to the journal; clones share it.
#[derive(Clone)]
pub struct Journal(mpsc::Sender<Waiting>);

/// Where waiting calls arrive.
pub struct Inbox(mpsc::Receiver<Waiting>);

/// Resolves when a call and all before it are durable.
pub struct Durable(oneshot::Receiver<()>);

impl Durable {
    /// What was waited for and done something more.
    pub const fn after(heard: oneshot::Receiver<()>) -> Self {
        Self(heard)
    }

    /// Waits; false when the center ended before.
    pub async fn wait(self) -> bool {
        self.0.await.is_ok()
    }
}

impl Journal {
    /// A journal and its inbox.
    pub fn new() -> (Self, Inbox) {
        let (send, receive) = mpsc::channel(WAITING_MAX);
        (Self(send), Inbox(receive))
    }

    /// Hands a decision in. To be called in the order of decisions; none when too many wait.
    pub fn write(&self, written: Written) -> Option<Durable> {
        let (done, durable) = oneshot::channel();
        self.0.try_send(Waiting(written, done)).ok().map(|()| Durable(durable))
    }

    /// Whether another call may be decided.
    pub fn has_room(&self) -> bool {
        self.0.capacity() > 0
    }
}

/// Writes until the center stops.
pub async fn run(center: Center, mut inbox: Inbox) {
    let mut next: BTreeMap<JobId, u64> = center.board().take_next();
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    while inbox.0.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        let (mut all, mut told) = (Vec::new(), Vec::with_capacity(waiting.len()));
        for Waiting(written, done) in waiting.drain(..) {
            if !written.is_empty() || !written.next.is_empty() {
                all.push(written);
            }
            told.push(done);
        }
        if !all.is_empty() {
            let numbered = Arc::new(numbered(all, &mut next));
            write(&center, numbered).await;
        }
        for done in told {
            // Whoever does not wait any more hears it when it asks again.
            let _ = done.send(());
        }
    }
}

/// Records of a job under one number.
struct Kept {
    job: JobId,
    seq: u64,
    records: Vec<Record>,
    /// They take the place of all with lower numbers.
    is_fold: bool,
}

/// Everything of one transaction.
struct Numbered {
    records: Vec<Kept>,
    standings: Vec<(Alias, Standing)>,
    ended: Vec<(JobId, JobState, Vec<u8>)>,
    words: Vec<Word>,
    paid: Vec<Paid>,
}

fn numbered(all: Vec<Written>, next: &mut BTreeMap<JobId, u64>) -> Numbered {
    let mut by_job: BTreeMap<JobId, Vec<Record>> = BTreeMap::new();
    let mut out =
        Numbered { records: Vec::new(), standings: Vec::new(), ended: Vec::new(), words: Vec::new(), paid: Vec::new() };
    for written in all {
        for (job, records) in written.records {
            by_job.entry(job).or_default().extend(records);
        }
        for (job, seq) in written.next {
            next.insert(job, seq);
        }
        for (job, records) in written.folded {
            // What came before it in this transaction is still told to the table of items.
            if let Some(before) = by_job.remove(&job) {
                out.records.push(kept(job, before, false, next));
            }
            out.records.push(kept(job, records, true, next));
        }
        out.standings.extend(written.standings);
        out.ended.extend(written.ended);
        out.words.extend(written.word);
        out.paid.extend(written.paid);
    }
    for (job, records) in by_job {
        out.records.push(kept(job, records, false, next));
    }
    out
}

fn kept(job: JobId, records: Vec<Record>, is_fold: bool, next: &mut BTreeMap<JobId, u64>) -> Kept {
    let number = next.entry(job).or_default();
    let seq = *number;
    *number += 1;
    Kept { job, seq, records, is_fold }
}

/// (B)
async fn write(center: &Center, numbered: Arc<Numbered>) {
    loop {
        let (numbered, terms) = (Arc::clone(&numbered), center.result_terms());
        match center.db().write(move |tx| put(tx, &numbered, terms)).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%error, "what became of jobs was not written; it is tried again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

fn put(tx: &mut crate::db::Tx<'_>, numbered: &Numbered, terms: results::Terms) -> Result<(), crate::db::StoreError> {
    results::note(tx, &numbered.paid, terms)?;
    for Kept { job, seq, records, is_fold } in &numbered.records {
        if *is_fold {
            store::drop_records(tx, job, *seq)?;
        }
        store::keep(tx, job, *seq, records)?;
        if records.iter().any(|record| matches!(record, Record::Retried { .. })) {
            store::reopen(tx, job, JobState::Running)?;
        }
    }
    for (node, standing) in &numbered.standings {
        store::put_standing(tx, *node, standing)?;
    }
    for word in &numbered.words {
        store::keep_word(tx, word)?;
    }
    for (job, state, progress) in &numbered.ended {
        store::end(tx, job, *state, terms.now, progress)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Db, DbUrl};
    use crate::ledger::settle::Periods;

    const JOB: JobId = JobId([1; 16]);

    fn state(state: JobState) -> Record {
        Record::State { job: JOB, state }
    }

    fn written(records: &[JobState], folded: &[JobState]) -> Written {
        let of = |states: &[JobState]| states.iter().map(|one| state(*one)).collect::<Vec<_>>();
        let mut all = Written { records: BTreeMap::from([(JOB, of(records))]), ..Written::default() };
        if !folded.is_empty() {
            all.folded.insert(JOB, of(folded));
        }
        all
    }

    #[tokio::test]
    async fn a_fold_takes_the_place_of_what_came_before_it_and_of_nothing_after() {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(&DbUrl::Sqlite(dir.path().join("center.db"))).unwrap();
        let (periods, limit) = (Periods::new(6, model::TimeScale(1)), model::Ucredit::ZERO);
        let terms = results::Terms { periods, limit, now: model::Stamp(1) };
        let mut next = BTreeMap::new();
        let calls = [
            vec![written(&[JobState::Queued], &[])],
            vec![written(&[JobState::Running], &[]), written(&[JobState::Done], &[JobState::Partial])],
            vec![written(&[JobState::Stopped], &[])],
        ];
        let expected = [vec![JobState::Queued], vec![JobState::Partial], vec![JobState::Partial, JobState::Stopped]];
        for (calls, expected) in calls.into_iter().zip(expected) {
            let numbered = numbered(calls, &mut next);
            db.write(move |tx| put(tx, &numbered, terms)).await.unwrap();
            let (records, _) = db.read(|q| Ok(store::records(q, &JOB)?)).await.unwrap();
            assert_eq!(records, expected.into_iter().map(state).collect::<Vec<_>>());
        }
    }
}
