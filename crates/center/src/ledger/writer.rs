//! The batching writer: callers wait in one bounded queue, what waits when the writer is free goes into one transaction.
//!
//! No delay is added: a caller that is alone is served at once, and while one transaction is being made durable the next one's
//! postings gather. (A) Everybody is answered after the commit. A posting that breaks the transaction it is in (which no lawful
//! one can) takes nobody with it: its neighbours run again without it. (C) Where the connection was lost during the commit,
//! the same postings run again: what stands answers `Exists`.

use super::{Clock, PostError, Posting, store};
use crate::db::{Db, DbError, QUEUE_WAIT, StoreError};
use rules::ledger::{Outcome, Refused};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Postings that may wait.
pub const QUEUE_MAX: usize = 4_096;
/// Postings in one transaction.
pub const GATHER_MAX: usize = 1_000;
/// Rows in one transaction, the last posting's apart: short enough that nobody waits long behind it.
const GATHER_ROWS_MAX: usize = 4_096;
/// How often a transaction of unknown outcome is asked about.
const UNKNOWN_TRIES_MAX: u32 = 3;

type Answer = Result<Outcome, PostError>;

struct Waiting {
    posting: Posting,
    reply: oneshot::Sender<Answer>,
}

/// The callers' side.
#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Waiting>);

impl Writer {
    pub(super) fn start(db: Db, now: Clock) -> Self {
        let (queue, inbox) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(run(db, now, inbox));
        Self(queue)
    }

    pub(super) async fn post(&self, posting: Posting) -> Answer {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { posting, reply };
        match self.0.send_timeout(waiting, QUEUE_WAIT).await {
            Ok(()) => answer.await.unwrap_or(Err(DbError::Closed.into())),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(DbError::Busy { what: "queue of the ledger" }.into()),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(DbError::Closed.into()),
        }
    }
}

/// Runs until nobody can post any more.
async fn run(db: Db, now: Clock, mut inbox: mpsc::Receiver<Waiting>) {
    while let Some(first) = inbox.recv().await {
        let (mut postings, mut replies) = (vec![first.posting], vec![first.reply]);
        let mut rows = postings[0].group.asks.len();
        while postings.len() < GATHER_MAX && rows < GATHER_ROWS_MAX {
            let Ok(next) = inbox.try_recv() else { break };
            rows += next.posting.group.asks.len();
            postings.push(next.posting);
            replies.push(next.reply);
        }
        for (reply, answer) in replies.into_iter().zip(serve(&db, &now, postings).await) {
            // A caller that went away does not unmake what stands.
            let _ = reply.send(answer);
        }
    }
}

/// One answer for each, in order.
async fn serve(db: &Db, now: &Clock, postings: Vec<Posting>) -> Vec<Answer> {
    let postings: Arc<[Posting]> = postings.into();
    match write(db, now, Arc::clone(&postings)).await {
        Ok(answers) => answers.into_iter().map(|answer| answer.map_err(PostError::from)).collect(),
        Err(error) if postings.len() == 1 || concerns_all(&error) => {
            postings.iter().map(|_| Err(error.clone().into())).collect()
        }
        Err(error) => {
            tracing::error!(%error, postings = postings.len(), "a transaction of the ledger failed; its postings run one by one");
            let mut answers = Vec::with_capacity(postings.len());
            for posting in postings.iter() {
                let alone = write(db, now, Arc::new([posting.clone()])).await;
                answers.push(alone.map_err(PostError::from).and_then(|mut answers| match answers.pop() {
                    Some(answer) => answer.map_err(PostError::from),
                    None => Err(DbError::Closed.into()),
                }));
            }
            answers
        }
    }
}

/// True where each by itself would hear the same.
fn concerns_all(error: &StoreError) -> bool {
    match error {
        StoreError::Refused { .. } => true,
        StoreError::Db(error) => matches!(
            error,
            DbError::Unwritable { .. }
                | DbError::Busy { .. }
                | DbError::Conflict { .. }
                | DbError::CommitUnknown
                | DbError::Closed
        ),
    }
}

async fn write(db: &Db, now: &Clock, postings: Arc<[Posting]>) -> Result<Vec<Result<Outcome, Refused>>, StoreError> {
    let mut tries = 0;
    loop {
        let (asked, clock) = (Arc::clone(&postings), Arc::clone(now));
        let answer = db.write(move |tx| store::post_in(tx, &asked, clock())).await;
        tries += 1;
        match answer {
            Err(StoreError::Db(DbError::CommitUnknown)) if tries < UNKNOWN_TRIES_MAX => {
                tracing::warn!(
                    tries,
                    "it is not known whether a transaction of the ledger stands; it is asked about by its ids"
                );
            }
            other => return other,
        }
    }
}
