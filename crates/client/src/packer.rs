//! Small objects that are put one by one, by many callers at once, share packs: what waits while a pack is on its way goes into
//! the next one. Nobody waits for company: a pack closes as soon as everything at hand is in it.

use crate::{Bucket, Client, ClientError, PACK_BYTES, Put, Small};
use model::BucketId;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, oneshot};
use wire::storage::WriteGrant;

/// Packs of one bucket on their way at the same time.
const PACKS_OPEN: usize = 2;
/// Objects that wait for the next pack; more wait with their callers.
const WAITING_MAX: usize = 256;
/// Leave to write small objects is used for so long: who is on is known that well.
const GRANT_FRESH: Duration = Duration::from_secs(5);
/// A packer without work ends after this.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// A small object, and who waits for it.
struct Waiting(Small, oneshot::Sender<Result<Put, ClientError>>);

/// Packers by bucket, and leave to write.
#[derive(Default)]
pub(crate) struct Packers {
    queues: BTreeMap<BucketId, mpsc::Sender<Waiting>>,
    grants: BTreeMap<BucketId, (Instant, Arc<WriteGrant>)>,
}

impl Client {
    /// Stores a small object in the next pack of its bucket.
    pub(crate) async fn put_packed(&self, bucket: &Bucket, small: Small) -> Result<Put, ClientError> {
        let (done, told) = oneshot::channel();
        let mut waiting = Waiting(small, done);
        loop {
            match self.packer(bucket).send(waiting).await {
                Ok(()) => break,
                // It ended for want of work just now.
                Err(mpsc::error::SendError(back)) => waiting = back,
            }
        }
        told.await.map_err(|_| ClientError::Unexpected("packing ended"))?
    }

    fn packer(&self, bucket: &Bucket) -> mpsc::Sender<Waiting> {
        let mut packers = self.packers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = packers.queues.get(bucket.id()).filter(|queue| !queue.is_closed()) {
            return queue.clone();
        }
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        packers.queues.insert(*bucket.id(), queue.clone());
        tokio::spawn(run(self.clone(), bucket.clone(), waiting));
        queue
    }

    /// Leave to write to a bucket's group, a few seconds old at most.
    pub(crate) async fn write_grant_cached(&self, bucket: &Bucket) -> Result<Arc<WriteGrant>, ClientError> {
        let fresh = |(at, grant): &(Instant, Arc<WriteGrant>)| (at.elapsed() < GRANT_FRESH).then(|| Arc::clone(grant));
        let known = {
            let packers = self.packers.lock().unwrap_or_else(PoisonError::into_inner);
            packers.grants.get(bucket.id()).and_then(fresh)
        };
        if let Some(grant) = known {
            return Ok(grant);
        }
        let grant = Arc::new(self.write_grant(bucket).await?);
        let mut packers = self.packers.lock().unwrap_or_else(PoisonError::into_inner);
        packers.grants.retain(|_, (at, _)| at.elapsed() < GRANT_FRESH);
        packers.grants.insert(*bucket.id(), (Instant::now(), Arc::clone(&grant)));
        Ok(grant)
    }

    /// Its holders are not what they were: the next write asks anew.
    pub(crate) fn forget_write_grant(&self, bucket: &Bucket) {
        self.packers.lock().unwrap_or_else(PoisonError::into_inner).grants.remove(bucket.id());
    }
}

async fn run(client: Client, bucket: Bucket, mut waiting: mpsc::Receiver<Waiting>) {
    let open = Arc::new(Semaphore::new(PACKS_OPEN));
    loop {
        let Ok(place) = Arc::clone(&open).acquire_owned().await else { return };
        let first = match tokio::time::timeout(IDLE_MAX, waiting.recv()).await {
            Ok(Some(first)) => first,
            Ok(None) => return,
            Err(_) => {
                waiting.close();
                match waiting.try_recv() {
                    Ok(last) => last,
                    Err(_) => return,
                }
            }
        };
        let (mut bytes, mut batch, mut told) = (0, Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(Waiting(small, done)) = next {
            bytes += small.content.len();
            batch.push(small);
            told.push(done);
            next = if bytes < PACK_BYTES { waiting.try_recv().ok() } else { None };
        }
        let (client, bucket) = (client.clone(), bucket.clone());
        tokio::spawn(async move {
            let _place = place;
            let stored = client.put_batch(&bucket, batch).await;
            for (done, put) in told.into_iter().zip(stored) {
                // Whoever does not wait any more has its object all the same.
                let _ = done.send(put);
            }
        });
    }
}
