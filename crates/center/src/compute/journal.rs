//! Makes durable what the scheduler says must be, many calls in one transaction, in the order in which they were decided.
//!
//! (A) Who waits hears nothing before everything decided before it is durable. (B) A database that cannot be written holds all
//! back, nothing is forgotten and nothing said; more than [`WAITING_MAX`] calls are refused.

use super::store::{self, Word};
use crate::Center;
use model::compute::JobState;
use model::{Alias, JobId, Stamp};
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
    /// Numbers of the next records of jobs that were read from the database anew.
    pub next: BTreeMap<JobId, u64>,
}

impl Written {
    /// Nothing has to be written.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.standings.is_empty() && self.ended.is_empty() && self.word.is_none()
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

/// Everything of one transaction.
struct Numbered {
    records: Vec<(JobId, u64, Vec<Record>)>,
    standings: Vec<(Alias, Standing)>,
    ended: Vec<(JobId, JobState, Vec<u8>)>,
    words: Vec<Word>,
}

fn numbered(all: Vec<Written>, next: &mut BTreeMap<JobId, u64>) -> Numbered {
    let mut by_job: BTreeMap<JobId, Vec<Record>> = BTreeMap::new();
    let mut out = Numbered { records: Vec::new(), standings: Vec::new(), ended: Vec::new(), words: Vec::new() };
    for written in all {
        for (job, records) in written.records {
            by_job.entry(job).or_default().extend(records);
        }
        for (job, seq) in written.next {
            next.insert(job, seq);
        }
        out.standings.extend(written.standings);
        out.ended.extend(written.ended);
        out.words.extend(written.word);
    }
    for (job, records) in by_job {
        let seq = next.entry(job).or_default();
        out.records.push((job, *seq, records));
        *seq += 1;
    }
    out
}

/// (B)
async fn write(center: &Center, numbered: Arc<Numbered>) {
    loop {
        let (numbered, now) = (Arc::clone(&numbered), center.now());
        match center.db().write(move |tx| Ok(put(tx, &numbered, now)?)).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%error, "what became of jobs was not written; it is tried again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

fn put(tx: &mut crate::db::Tx<'_>, numbered: &Numbered, now: Stamp) -> Result<(), crate::db::DbError> {
    for (job, seq, records) in &numbered.records {
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
        store::end(tx, job, *state, now, progress)?;
    }
    Ok(())
}
