//! Small objects that are put one by one, by many callers at once, share packs: what waits while a pack is on its way goes into
//! the next one. A pack closes as soon as everything in flight is in it: whoever was just told has a next object at once more
//! often than not, so those are waited for, an eighth of the time their pack took and 2 ms at most. Without that the first to
//! come back would fill a pack alone, and all others the next.

use crate::{Bucket, Client, ClientError, PACK_BYTES, Put, Small};
use model::BucketId;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use wire::storage::WriteGrant;

/// Packs of one bucket on their way at the same time. With one, those who come meanwhile share the next; large ones do not
/// wait for each other.
const PACKS_OPEN: usize = 2;
/// Bytes at hand with which a pack begins while another one is on its way.
const PACK_ALONGSIDE: usize = 1 << 20;
/// Objects that wait for the next pack; more wait with their callers.
const WAITING_MAX: usize = 256;
/// Leave to write small objects is used for so long: who is on is known that well.
const GRANT_FRESH: Duration = Duration::from_secs(5);
/// Share of the time of the last pack for which those who were in it are waited for, and the longest such wait.
const COMPANY_SHARE: u32 = 8;
const COMPANY_MAX: Duration = Duration::from_millis(2);
/// A packer without work ends after this.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// A small object, and who waits for it.
struct Waiting(Small, oneshot::Sender<Result<Put, ClientError>>);

/// A bucket as it is used.
type Way = (BucketId, Option<[u8; 32]>);

/// Packers by bucket, and leave to write.
#[derive(Default)]
pub(crate) struct Packers {
    queues: BTreeMap<Way, mpsc::Sender<Waiting>>,
    grants: BTreeMap<Way, (Instant, Arc<WriteGrant>)>,
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
        if let Some(queue) = packers.queues.get(&bucket.way()).filter(|queue| !queue.is_closed()) {
            return queue.clone();
        }
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        packers.queues.insert(bucket.way(), queue.clone());
        tokio::spawn(run(self.clone(), bucket.clone(), waiting));
        queue
    }

    /// Leave to write to a bucket's group, a few seconds old at most.
    pub(crate) async fn write_grant_cached(&self, bucket: &Bucket) -> Result<Arc<WriteGrant>, ClientError> {
        let fresh = |(at, grant): &(Instant, Arc<WriteGrant>)| (at.elapsed() < GRANT_FRESH).then(|| Arc::clone(grant));
        let known = {
            let packers = self.packers.lock().unwrap_or_else(PoisonError::into_inner);
            packers.grants.get(&bucket.way()).and_then(fresh)
        };
        if let Some(grant) = known {
            return Ok(grant);
        }
        let grant = Arc::new(self.write_grant(bucket).await?);
        let mut packers = self.packers.lock().unwrap_or_else(PoisonError::into_inner);
        packers.grants.retain(|_, (at, _)| at.elapsed() < GRANT_FRESH);
        packers.grants.insert(bucket.way(), (Instant::now(), Arc::clone(&grant)));
        Ok(grant)
    }

    /// Its holders are not what they were: the next write asks anew.
    pub(crate) fn forget_write_grant(&self, bucket: &Bucket) {
        self.packers.lock().unwrap_or_else(PoisonError::into_inner).grants.remove(&bucket.way());
    }
}

/// What waits for the next pack.
#[derive(Default)]
struct Held {
    bytes: usize,
    batch: Vec<Small>,
    told: Vec<oneshot::Sender<Result<Put, ClientError>>>,
}

impl Held {
    fn take(&mut self, Waiting(small, done): Waiting) {
        self.bytes += small.content.len();
        self.batch.push(small);
        self.told.push(done);
    }

    /// Whether a pack begins now, with so many on their way.
    fn is_ready(&self, open: usize, company: Company) -> bool {
        let is_whole = open == 0 && (self.batch.len() >= company.count || Instant::now() >= company.until);
        !self.batch.is_empty() && (is_whole || open < PACKS_OPEN && self.bytes >= PACK_ALONGSIDE)
    }
}

/// Those who were told last, and until when they are waited for.
#[derive(Debug, Clone, Copy)]
struct Company {
    count: usize,
    until: Instant,
}

impl Company {
    /// After a pack of so many that took so long.
    fn of(count: usize, took: Duration) -> Self {
        Self { count, until: Instant::now() + (took / COMPANY_SHARE).min(COMPANY_MAX) }
    }
}

async fn run(client: Client, bucket: Bucket, mut waiting: mpsc::Receiver<Waiting>) {
    let (mut open, mut held) = (JoinSet::new(), Held::default());
    let mut company = Company { count: 0, until: Instant::now() };
    loop {
        while held.bytes < PACK_BYTES
            && let Ok(next) = waiting.try_recv()
        {
            held.take(next);
        }
        if held.is_ready(open.len(), company) {
            let Held { batch, told, .. } = std::mem::take(&mut held);
            open.spawn(store(client.clone(), bucket.clone(), batch, told));
            continue;
        }
        if waiting.is_closed() && waiting.is_empty() && open.is_empty() && held.batch.is_empty() {
            return;
        }
        tokio::select! {
            next = waiting.recv(), if held.bytes < PACK_BYTES && !waiting.is_closed() => {
                next.into_iter().for_each(|next| held.take(next));
            }
            Some(ended) = open.join_next(), if !open.is_empty() => {
                company = ended.unwrap_or(company);
            }
            () = tokio::time::sleep_until(company.until.into()), if open.is_empty() && !held.batch.is_empty() => {}
            () = tokio::time::sleep(IDLE_MAX), if open.is_empty() && held.batch.is_empty() => waiting.close(),
        }
    }
}

/// Stores a batch and tells those who wait for it; who may come back.
async fn store(
    client: Client,
    bucket: Bucket,
    batch: Vec<Small>,
    told: Vec<oneshot::Sender<Result<Put, ClientError>>>,
) -> Company {
    let (count, begun) = (batch.len(), Instant::now());
    let stored = client.put_batch(&bucket, batch).await;
    for (done, put) in told.into_iter().zip(stored) {
        // Whoever does not wait any more has its object all the same.
        let _ = done.send(put);
    }
    Company::of(count, begun.elapsed())
}
