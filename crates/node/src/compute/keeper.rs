//! Keeps jobs' keys for this machine's member and hands out parcels: to whom a lease of the center's names, and nobody else.
//!
//! (A) A lease is judged offline, see [`Leases`]. (B) One item's parcel goes to [`NODES_PER_ITEM`] machines at most.

use super::leases::Leases;
use client::ClientError;
use client::compute::KeptJob;
use model::{JobId, NodeId, errors};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wire::RefusalMsg;
use wire::compute::{ParcelAnswer, ParcelAsk};
use wire::signed::LeaseBody;

/// Machines that one item's parcel is given to.
pub const NODES_PER_ITEM: usize = 16;
/// Jobs whose files are in memory.
const JOBS_READ_MAX: usize = 16;
/// Items of which it is remembered who got them.
const GIVEN_MAX: usize = 1 << 20;
/// Bytes of one job's file.
const FILE_MAX: u64 = 1 << 30;

/// What a keeper knows; clones share it.
#[derive(Clone)]
pub struct Keeper(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    leases: Leases,
    jobs: Mutex<BTreeMap<JobId, Arc<KeptJob>>>,
    given: Mutex<BTreeMap<(JobId, u8, u32), BTreeSet<NodeId>>>,
}

impl Keeper {
    /// Keeps what lies in `dir`.
    pub fn new(dir: PathBuf, leases: Leases) -> Self {
        Self(Arc::new(Inner { dir, leases, jobs: Mutex::default(), given: Mutex::default() }))
    }

    /// The file of a job's keys.
    pub fn file(dir: &Path, job: &JobId) -> PathBuf {
        dir.join(format!("{job}.json"))
    }

    /// The answer to `caller`, whose key the connection proved.
    pub async fn answer(&self, caller: NodeId, ask: ParcelAsk) -> ParcelAnswer {
        match self.parcels(caller, &ask).await {
            Ok(parcels) => ParcelAnswer::Parcels(Box::new(parcels)),
            Err(ClientError::Refused(refusal)) => ParcelAnswer::Refused(refusal),
            Err(error) => {
                tracing::warn!(%error, "a job's parcels were not made");
                ParcelAnswer::Refused(RefusalMsg::new(errors::BUG, []))
            }
        }
    }

    async fn parcels(&self, caller: NodeId, ask: &ParcelAsk) -> Result<wire::compute::Parcels, ClientError> {
        let lease = self.0.leases.judge(caller, &ask.lease, &ask.permit)?; // (A)
        let kept = self.job(lease.job).await?;
        self.note(&lease)?;
        let knows_brief = ask.knows_brief;
        let made = tokio::task::spawn_blocking(move || kept.parcels(&lease, knows_brief)).await;
        made.map_err(|_| ClientError::Unexpected("making parcels ended"))?
    }

    /// (B)
    fn note(&self, lease: &LeaseBody) -> Result<(), ClientError> {
        let mut given = self.0.given.lock().unwrap_or_else(PoisonError::into_inner);
        for item in lease.items() {
            while given.len() >= GIVEN_MAX {
                given.pop_first();
            }
            let nodes = given.entry((lease.job, lease.stage, item)).or_default();
            if !nodes.contains(&lease.node) && nodes.len() >= NODES_PER_ITEM {
                let args = [("who", lease.node.short()), ("verb", "get".to_owned()), ("thing", format!("item {item}"))];
                return Err(ClientError::Refused(RefusalMsg::new(errors::NOT_ALLOWED, args)));
            }
            nodes.insert(lease.node);
        }
        Ok(())
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<JobId, Arc<KeptJob>>> {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn job(&self, job: JobId) -> Result<Arc<KeptJob>, ClientError> {
        if let Some(kept) = self.jobs().get(&job) {
            return Ok(Arc::clone(kept));
        }
        let path = Self::file(&self.0.dir, &job);
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        let unknown = || ClientError::Refused(RefusalMsg::new(errors::JOB_UNKNOWN, [("id", job.to_string())]));
        let kept = Arc::new(read.ok().flatten().filter(|kept| kept.spec.job == job).ok_or_else(unknown)?);
        let mut jobs = self.jobs();
        while jobs.len() >= JOBS_READ_MAX {
            jobs.pop_first();
        }
        jobs.insert(job, Arc::clone(&kept));
        Ok(kept)
    }
}

fn read(path: &Path) -> Option<KeptJob> {
    let len = std::fs::metadata(path).ok()?.len();
    if len > FILE_MAX {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
