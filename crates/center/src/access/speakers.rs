//! Whose key speaks, read for many callers at once: every call asks it first.
//!
//! What waits while one reading is under way goes into the next, in one snapshot. (A) Nothing is remembered between two readings: a
//! device that was removed, or a right that was taken, counts from its commit on, as if each caller read by itself.

use super::store::{self, Speaker};
use crate::db::{Db, DbError, QUEUE_WAIT, StoreError};
use model::DeviceId;
use std::collections::BTreeSet;
use tokio::sync::{mpsc, oneshot};

/// Questions that may wait.
const QUEUE_MAX: usize = 4_096;
/// Questions in one reading.
const GATHER_MAX: usize = 256;

type Answer = Result<Option<Speaker>, StoreError>;

struct Waiting {
    device: DeviceId,
    reply: oneshot::Sender<Answer>,
}

/// The askers' side.
pub(crate) struct Speakers(mpsc::Sender<Waiting>);

impl Speakers {
    /// Starts reading on this runtime; it ends with the last asker.
    pub(crate) fn start(db: Db) -> Self {
        let (queue, inbox) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(run(db, inbox));
        Self(queue)
    }

    /// The device of a key with its member; nothing where there is none.
    ///
    /// # Errors
    /// Of the store, busy where the queue stayed full.
    pub(crate) async fn of(&self, device: DeviceId) -> Answer {
        let (reply, answer) = oneshot::channel();
        match self.0.send_timeout(Waiting { device, reply }, QUEUE_WAIT).await {
            Ok(()) => answer.await.unwrap_or(Err(StoreError::Db(DbError::Closed))),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                Err(StoreError::Db(DbError::Busy { what: "queue of callers" }))
            }
            Err(mpsc::error::SendTimeoutError::Closed(_)) => Err(StoreError::Db(DbError::Closed)),
        }
    }
}

async fn run(db: Db, mut inbox: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::with_capacity(GATHER_MAX);
    while inbox.recv_many(&mut waiting, GATHER_MAX).await > 0 {
        let devices: Vec<DeviceId> =
            waiting.iter().map(|one| one.device).collect::<BTreeSet<_>>().into_iter().collect();
        let found = db.read(move |q| Ok(store::speakers(q, &devices)?)).await;
        for Waiting { device, reply } in waiting.drain(..) {
            // A caller that went away needs no answer.
            let _ = reply.send(found.as_ref().map(|found| found.get(&device).cloned()).map_err(Clone::clone));
        }
    }
}
